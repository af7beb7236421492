"""Events: store, write-behind buffer, Parquet export, statistics, stored query photos."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

if TYPE_CHECKING:
    from snapfind.events.buffer import EventBuffer
    from snapfind.events.event import KINDS, Event, EventKind
    from snapfind.events.parquet import export_events
    from snapfind.events.query_photos import QueryPhotoStore
    from snapfind.events.statistics import (
        Coverage,
        Exploration,
        PositionRate,
        click_rates,
        coverage,
        exploration,
        open_export,
        wilson,
    )
    from snapfind.events.store import EventStore
    from snapfind.events.zero_results import CategorySwitch, ZeroResultStatistics, zero_result_statistics

__all__ = [
    "KINDS",
    "CategorySwitch",
    "Coverage",
    "Event",
    "EventBuffer",
    "EventKind",
    "EventStore",
    "Exploration",
    "PositionRate",
    "QueryPhotoStore",
    "ZeroResultStatistics",
    "click_rates",
    "coverage",
    "exploration",
    "export_events",
    "open_export",
    "wilson",
    "zero_result_statistics",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "buffer": ["EventBuffer"],
        "event": ["KINDS", "Event", "EventKind"],
        "parquet": ["export_events"],
        "query_photos": ["QueryPhotoStore"],
        "statistics": [
            "Coverage",
            "Exploration",
            "PositionRate",
            "click_rates",
            "coverage",
            "exploration",
            "open_export",
            "wilson",
        ],
        "store": ["EventStore"],
        "zero_results": ["CategorySwitch", "ZeroResultStatistics", "zero_result_statistics"],
    },
)
