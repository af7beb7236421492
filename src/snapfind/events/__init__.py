"""Events: store, write-behind buffer, Parquet export, statistics, stored query photos."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

_MODULES = {
    "CategorySwitch": "zero_results",
    "Coverage": "statistics",
    "Event": "event",
    "EventBuffer": "buffer",
    "EventKind": "event",
    "EventStore": "store",
    "Exploration": "statistics",
    "KINDS": "event",
    "PositionRate": "statistics",
    "QueryPhotoStore": "query_photos",
    "ZeroResultStatistics": "zero_results",
    "click_rates": "statistics",
    "coverage": "statistics",
    "exploration": "statistics",
    "export_events": "parquet",
    "open_export": "statistics",
    "wilson": "statistics",
    "zero_result_statistics": "zero_results",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:  # imported on first use, so that the import of the package stays cheap
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
