"""The clock by which old events are deleted: one that jumps ahead must not delete them all.

A machine may start with a wrong clock (an empty battery, before NTP answers). The time of each look at the clock is
stored; after a gap of more than a week the new time counts only once the clock has gone on for a day since.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, func, select

from snapfind.events.table import clock, events, millis

__all__ = ["trusted"]

_GAP = 7 * 86_400_000  # milliseconds between two looks that need no second one
_DAY = 86_400_000


def trusted(engine: Engine, now: datetime) -> datetime:
    """The time to measure the age of events by, and a note of `now` for the next call.

    Args:
        engine: Database of the events.
        now: What the clock of the machine says.

    Returns:
        `now`, or the time of the last look where the clock went ahead by more than a week and the new time was first
        seen less than a day ago.
    """
    told = millis(now)
    with engine.begin() as connection:
        known = connection.execute(select(clock)).first()
        if known is None:
            newest = connection.scalar(select(func.max(events.c.at)).where(events.c.at <= told))
            last, ahead = (told if newest is None else int(newest)), None
            connection.execute(clock.insert().values(last=last))
        else:
            last, ahead = int(known.last), known.ahead
        if told - last <= _GAP or (ahead is not None and ahead + _DAY <= told <= ahead + 2 * _GAP):
            last, ahead = told, None
        elif ahead is None or not ahead <= told <= ahead + 2 * _GAP:
            ahead = told
        connection.execute(clock.update().values(last=last, ahead=ahead))
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=last)
