"""Catalogs: products, media, models and events in one folder, or with an index on servers."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

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

__getattr__ = lazy_exports(
    __name__,
    {
        "catalog": ["Catalog", "open_catalog"],
        "doctor": ["Check", "examine"],
        "replica": ["Replica", "open_replica"],
    },
)
