"""Zero-result statistics: searches without a match, and category changes, counted in the database."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select

from snapfind.events.store import EventStore
from snapfind.events.table import events, millis

__all__ = ["CategorySwitch", "ZeroResultStatistics", "zero_result_statistics"]


@dataclass(frozen=True, slots=True)
class CategorySwitch:
    """A category change of shoppers.

    Args:
        before: Previous category, "" if none was chosen.
        after: New category.
        count: Number of changes.
    """

    before: str
    after: str
    count: int


@dataclass(frozen=True, slots=True)
class ZeroResultStatistics:
    """Zero-result statistics of a period.

    Args:
        searches: Number of searches.
        without_match: Number of searches without a match.
        texts: Texts of these searches with their number, most frequent first.
        switches: Category changes, most frequent first. They show wrong category predictions.
    """

    searches: int
    without_match: int
    texts: tuple[tuple[str, int], ...]
    switches: tuple[CategorySwitch, ...]


def zero_result_statistics(store: EventStore, since: datetime, *, limit: int = 20) -> ZeroResultStatistics:
    """Count searches without a match and category changes.

    Args:
        store: The event store.
        since: Earliest time.
        limit: Maximum length of each list.

    Returns:
        The statistics.
    """
    kind, recent = events.c.kind, events.c.at >= millis(since)
    missed = events.c.verdict == "none"
    (total,) = store.select(
        select(func.count().label("all"), func.sum(case((missed, 1), else_=0)).label("missed")).where(
            kind == "search", recent
        )
    )
    count = func.count().label("count")
    texts = (
        select(events.c.text, count)
        .where(kind == "search", recent, missed, events.c.text != "")
        .group_by(events.c.text)
        .order_by(count.desc(), events.c.text)
        .limit(limit)
    )
    switches = (
        select(events.c.before, events.c.category, count)
        .where(kind == "category_switch", recent)
        .group_by(events.c.before, events.c.category)
        .order_by(count.desc(), events.c.before, events.c.category)
        .limit(limit)
    )
    return ZeroResultStatistics(
        int(total["all"]),
        int(total["missed"] or 0),
        tuple((str(row["text"]), int(row["count"])) for row in store.select(texts)),
        tuple(
            CategorySwitch(str(row["before"] or ""), str(row["category"]), int(row["count"]))
            for row in store.select(switches)
        ),
    )
