"""Catalogs: products, media, models and events in one folder, or with an index on servers."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snapfind.catalog.catalog import Catalog, open_catalog
    from snapfind.catalog.doctor import Check, examine
    from snapfind.catalog.replica import Replica, open_replica

__all__ = [
    "Catalog",
    "Check",
    "Replica",
    "examine",
    "open_catalog",
    "open_replica",
]

_MODULES = {
    "Catalog": "catalog",
    "Check": "doctor",
    "Replica": "replica",
    "examine": "doctor",
    "open_catalog": "catalog",
    "open_replica": "replica",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for, so that the package is cheap to import."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
