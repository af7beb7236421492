"""Storage of a catalog: folder, points, snapshots, exports, hidden pictures and migration."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snapfind.catalog.storage.export import export_copies, write_table
    from snapfind.catalog.storage.folder import Folder, Manifest, absolute_path, write_whole
    from snapfind.catalog.storage.migrate import MigrationReport, move
    from snapfind.catalog.storage.points import points_of
    from snapfind.catalog.storage.snapshot import restore, verify

__all__ = [
    "Folder",
    "Manifest",
    "MigrationReport",
    "absolute_path",
    "export_copies",
    "move",
    "points_of",
    "restore",
    "verify",
    "write_table",
    "write_whole",
]

_MODULES = {
    "Folder": "folder",
    "Manifest": "folder",
    "MigrationReport": "migrate",
    "absolute_path": "folder",
    "export_copies": "export",
    "move": "migrate",
    "points_of": "points",
    "restore": "snapshot",
    "verify": "snapshot",
    "write_table": "export",
    "write_whole": "folder",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for, so that the package is cheap to import."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
