"""Trusted time for the deletion of old events: a clock that jumps ahead must not delete them all.

A machine may start with a wrong clock (empty battery, before NTP answers). The time of each call is stored. After a gap
of more than a week, the new time is trusted only after the clock has run for a day.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, func, select

from snapfind.events.table import clock, events, millis

__all__ = ["trusted_time"]

_GAP = 7 * 86_400_000  # milliseconds between two calls that need no confirmation
_DAY = 86_400_000


def trusted_time(engine: Engine, now: datetime) -> datetime:
    """Return the time for deletion by age, and store `now` for the next call.

    Args:
        engine: Database of the events.
        now: Time of the machine's clock.

    Returns:
        `now`, or the last trusted time if the clock went ahead by more than a week less than a day ago.
    """
    current = millis(now)
    with engine.begin() as connection:
        known = connection.execute(select(clock)).first()
        if known is None:
            newest = connection.scalar(select(func.max(events.c.at)).where(events.c.at <= current))
            last, ahead = (current if newest is None else int(newest)), None
            connection.execute(clock.insert().values(last=last))
        else:
            last, ahead = int(known.last), known.ahead
        if current - last <= _GAP or (ahead is not None and ahead + _DAY <= current <= ahead + 2 * _GAP):
            last, ahead = current, None
        elif ahead is None or not ahead <= current <= ahead + 2 * _GAP:
            ahead = current
        connection.execute(clock.update().values(last=last, ahead=ahead))
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=last)
