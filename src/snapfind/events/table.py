"""Tables of the event store, and conversion of events to rows and back."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

from snapfind.core.types import Box
from snapfind.events.event import FIRST, LAST, Event

__all__ = ["COLUMNS", "clock", "event_of", "events", "metadata", "millis", "row_of", "salts"]

metadata = MetaData()
events = Table(
    "events",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("at", BigInteger, nullable=False),  # milliseconds since 1970, UTC
    Column("kind", String(16), nullable=False),
    Column("search", String(64), nullable=False),
    Column("session", String(32), nullable=False),  # keyed hash, "" without a session
    Column("product", String(256), nullable=False),
    Column("position", Integer),
    Column("propensity", Float),
    Column("score", Float),
    Column("verdict", String(16), nullable=False),
    Column("category", Text, nullable=False),
    Column("box", Text),  # x0,y0,x1,y1
    Column("before", Text),
    Column("text", Text, nullable=False),
    Column("filter", Text, nullable=False),
    Column("photos", Integer, nullable=False),
    Column("results", Text, nullable=False),  # JSON list of product ids
    Column("quantity", Float),
    Column("amount", Float),
    Column("space", String(128), nullable=False),
    Column("version", String(64), nullable=False),
    Column("arm", String(64), nullable=False),
    Index("events_at", "at"),
    Index("events_kind_at", "kind", "at"),
    Index("events_session", "session"),
    Index("events_search", "search"),
)
salts = Table(
    "salts",
    metadata,
    Column("begun", BigInteger, primary_key=True),
    Column("salt", LargeBinary(32), nullable=False),
)
clock = Table(  # one row: events/prune_clock.py
    "clock",
    metadata,
    Column("last", BigInteger, primary_key=True),
    Column("ahead", BigInteger),  # first time that was far ahead of `last`
)
COLUMNS: tuple[str, ...] = tuple(column.name for column in events.columns)
_PLAIN = [
    "kind",
    "search",
    "product",
    "position",
    "propensity",
    "score",
    "verdict",
    "category",
    "text",
    "filter",
    "photos",
]
_PLAIN += ["quantity", "amount", "space", "version", "arm", "id"]


def millis(when: datetime) -> int:
    """Convert a time to milliseconds since 1970, UTC.

    Args:
        when: Any date. Without a time zone it is local time.

    Returns:
        Milliseconds.
    """
    try:
        return round(when.timestamp() * 1000)
    except (OverflowError, ValueError, OSError):  # local time at the ends of the calendar
        return round(when.replace(tzinfo=UTC).timestamp() * 1000)


def row_of(event: Event, session: str, id: str) -> dict[str, Any]:
    """Convert an event to a row.

    Args:
        event: The event.
        session: Hash of its session.
        id: Its id.

    Returns:
        Column -> value.
    """
    return {name: getattr(event, name) for name in _PLAIN} | {
        "id": id,
        "at": millis(event.at),
        "session": session,
        "box": _format(event.box),
        "before": _format(event.before),
        "results": json.dumps(event.results, ensure_ascii=False) if event.results else "[]",
    }


def event_of(row: Mapping[str, Any]) -> Event:
    """Convert a row to an event.

    Args:
        row: Column -> value.

    Returns:
        Event whose `session` is the stored hash.
    """
    box = Box.parse(row["box"]) if row["box"] else None
    before = row["before"]
    if before and row["kind"] == "box_change":
        before = Box.parse(before)
    return Event(
        **{name: row[name] for name in _PLAIN},
        session=row["session"],
        # older versions accepted any date
        at=datetime.fromtimestamp(min(max(row["at"], millis(FIRST)), millis(LAST)) / 1000, UTC),
        box=box,
        before=before,
        results=tuple(json.loads(row["results"])),
    )


def _format(value: str | Box | None) -> str | None:
    return ",".join(f"{side:.6g}" for side in value.as_tuple()) if isinstance(value, Box) else value
