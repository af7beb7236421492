"""Ingestion of tables, folders and uploads."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

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

__getattr__ = lazy_exports(
    __name__,
    {
        "duplicates": ["Duplicate"],
        "folders": ["find_media_files"],
        "ingest": ["Ingestion"],
        "items": ["Failure", "Item"],
        "report": ["AddReport"],
        "sources": ["Source", "open_source"],
        "uploads": ["Uploads"],
    },
)
