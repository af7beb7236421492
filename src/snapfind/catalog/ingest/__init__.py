"""Ingestion of tables, folders and uploads."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snapfind.catalog.ingest.duplicates import Duplicate
    from snapfind.catalog.ingest.folders import find_media_files
    from snapfind.catalog.ingest.ingest import Ingestion
    from snapfind.catalog.ingest.items import Failure, Item
    from snapfind.catalog.ingest.report import AddReport
    from snapfind.catalog.ingest.sources import Source, open_source
    from snapfind.catalog.ingest.uploads import Uploads

__all__ = [
    "AddReport",
    "Duplicate",
    "Failure",
    "Ingestion",
    "Item",
    "Source",
    "Uploads",
    "find_media_files",
    "open_source",
]

_MODULES = {
    "AddReport": "report",
    "Duplicate": "duplicates",
    "Failure": "items",
    "Ingestion": "ingest",
    "Item": "items",
    "Source": "sources",
    "Uploads": "uploads",
    "find_media_files": "folders",
    "open_source": "sources",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for, so that the package is cheap to import."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
