"""Storage of a catalog: folder, points, snapshots, exports, hidden pictures and migration."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

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

__getattr__ = lazy_exports(
    __name__,
    {
        "export": ["export_copies", "write_table"],
        "folder": ["Folder", "Manifest", "absolute_path", "write_whole"],
        "migrate": ["MigrationReport", "move"],
        "points": ["points_of"],
        "snapshot": ["restore", "verify"],
    },
)
