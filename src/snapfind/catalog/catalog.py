"""The catalog: products, media, models and events in one folder, as the library, command line and server use it."""

import tempfile
from pathlib import Path

from snapfind.catalog.ingest.ingest import Progress
from snapfind.catalog.models.catalog_models import CatalogModels
from snapfind.catalog.storage.folder import Folder, absolute_path
from snapfind.catalog.storage.migrate import MigrationReport, move, open_index
from snapfind.catalog.storage.snapshot import pack
from snapfind.catalog.write import CatalogWriter
from snapfind.core.config import Settings
from snapfind.index.qdrant.collection import CollectionLayout

__all__ = ["Catalog", "open_catalog"]


def open_catalog(path: str | Path, *, create: bool = True, **settings: int | float | str) -> "Catalog":
    """Open a catalog folder, or create one.

    Args:
        path: The folder, such as "shop.snap".
        create: Create the folder if there is none.
        settings: Settings of docs/reference/settings.md by name.

    Returns:
        The open catalog.

    Raises:
        NotFound: There is no catalog, and `create` is false.
        CatalogBusy: Another process has it open.
        CatalogBroken: A file is damaged.

    Example:
        >>> catalog = snapfind.open("shop.snap")
    """
    return Catalog(Folder(Path(path), create=create), Settings(settings))


class Catalog(CatalogWriter):
    """An open catalog. Any thread may call it. Close it, or use it in a `with` block, to give the folder back.

    Attributes:
        models: Its models: fit, build, switch, roll back and more.
    """

    def __init__(self, folder: Folder, settings: Settings) -> None:
        super().__init__(folder, settings)
        self.models = CatalogModels(self)

    def snapshot(self, target: str | Path) -> int:
        """Write the open catalog into a tar file with checksums. Writers wait, searches do not.

        Args:
            target: New file.

        Returns:
            Its size in bytes.

        Raises:
            BadInput: The file exists.
            NoRoom: The disk is full.
        """
        with self._writing, tempfile.TemporaryDirectory() as spare:
            self.index.flush()
            copies = (
                {"events.db": self.events.copy(Path(spare) / "events.db")} if not self.settings.text("events") else {}
            )
            return pack(self.folder.path, absolute_path(target), copies)

    def migrate(
        self, address: str, *, progress: Progress | None = None, shape: CollectionLayout | None = None
    ) -> MigrationReport:
        """Move the index to Qdrant servers, or back. Writers wait meanwhile. The old index stays as it is.

        Args:
            address: `qdrant://HOST:6333/NAME`, or "folder" for the embedded index.
            progress: Called with (done, total).
            shape: Shards and replicas of a new collection.

        Returns:
            Counts of moved points and compared searches.

        Raises:
            BadInput: The address is not valid.
            NotReady: The servers cannot be reached.
            ExtraMissing: The extra `cluster` is not installed.
            CatalogBroken: The two indexes disagree after the move.
        """
        with self._writing:
            moved = move(self.folder, self.index, address, progress, shape)
            old, self.index = self.index, open_index(self.folder)
            self._load_contexts()
            self._readers.wait(lambda context: context.index is old)
            old.close()
        return moved

    def optimize(self) -> None:
        """Build search graphs and merge the engine's files."""
        self.index.optimize()
