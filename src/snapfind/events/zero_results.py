"""What shoppers did not find, counted in the database: searches without a match, and switches of category."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select

from snapfind.events.store import EventStore
from snapfind.events.table import events, millis

__all__ = ["Switch", "ZeroResultStatistics", "zero_result_statistics"]


@dataclass(frozen=True, slots=True)
class Switch:
    """How often shoppers switched from a category (empty: none was chosen) to another one."""

    before: str
    after: str
    count: int


@dataclass(frozen=True, slots=True)
class ZeroResultStatistics:
    """Searches, those of them whose best hit was no match, the words of these with their number, and the switches; the
    most frequent first.
    """

    searches: int
    without_match: int
    texts: tuple[tuple[str, int], ...]
    switches: tuple[Switch, ...]


def zero_result_statistics(store: EventStore, since: datetime, *, limit: int = 20) -> ZeroResultStatistics:
    """Since a time; at most `limit` of each list."""
    kind, after = events.c.kind, events.c.at >= millis(since)
    missed = events.c.verdict == "none"
    (total,) = store.rows_of(
        select(func.count().label("all"), func.sum(case((missed, 1), else_=0)).label("missed")).where(
            kind == "search", after
        )
    )
    count = func.count().label("count")
    texts = (
        select(events.c.text, count)
        .where(kind == "search", after, missed, events.c.text != "")
        .group_by(events.c.text)
        .order_by(count.desc(), events.c.text)
        .limit(limit)
    )
    switches = (
        select(events.c.before, events.c.category, count)
        .where(kind == "category_switch", after)
        .group_by(events.c.before, events.c.category)
        .order_by(count.desc(), events.c.before, events.c.category)
        .limit(limit)
    )
    return ZeroResultStatistics(
        int(total["all"]),
        int(total["missed"] or 0),
        tuple((str(row["text"]), int(row["count"])) for row in store.rows_of(texts)),
        tuple(
            Switch(str(row["before"] or ""), str(row["category"]), int(row["count"])) for row in store.rows_of(switches)
        ),
    )
