"""Read replica: a catalog that another process owns, with its index on Qdrant servers.

The owner replaces the manifest atomically after every change of models, fields or fitted files. A search checks whether
it was replaced. The first search that notices reads it again, while others continue with the old one. If new files are
missing, for example while a copy is in progress, the old ones stay in use and reading is tried again later. The vectors
of a model are in the index until the owner drops it. A search that fails for this reason is repeated.
"""

import logging
import threading
import time
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any

from snapfind.catalog.models import registry
from snapfind.catalog.read import CatalogReader
from snapfind.catalog.storage.folder import Folder, absolute_path
from snapfind.catalog.storage.migrate import find_index
from snapfind.core.config import Settings
from snapfind.core.errors import NotFound, NotReady, ReadOnly, SnapfindError
from snapfind.core.types import Answer
from snapfind.encoders.embedding_model import Model
from snapfind.events.store import EventStore
from snapfind.index.filters import Filter
from snapfind.index.qdrant.cluster import Cluster
from snapfind.search.context import SearchContext

__all__ = ["Replica", "open_replica"]

log = logging.getLogger("snapfind.replica")

_RETRY = 2.0  # seconds until a manifest that could not be read is tried again
_OWNED = "this catalog is open read-only; change it in the process that owns it"


def open_replica(path: str | Path, **settings: int | float | str) -> "Replica":
    """Open a read replica of a catalog.

    Args:
        path: Folder of a catalog that another process owns, or a copy of it. It is not written.
        **settings: As for `open_catalog`.

    Returns:
        The replica.

    Raises:
        NotFound: There is no such catalog.
        CatalogBroken: The folder is damaged.
        ReadOnly: The index is embedded in the folder.
        NotReady: No index server responds.
    """
    return Replica(_ReadOnlyFolder(Path(path)), Settings(settings))


class _ReadOnlyFolder(Folder):
    """Folder of a catalog that is read without owning it.

    Args:
        path: The folder.

    Raises:
        NotFound: There is no such catalog.
        CatalogBroken: The manifest is damaged.
    """

    def __init__(self, path: Path) -> None:
        path = self.path = absolute_path(path)
        if not (path / "manifest.json").exists():
            raise NotFound(f"{path} is not a catalog; give the folder of one, or a copy of it")
        self.stamp = self.read_stamp()
        self.manifest = self._read()

    def read_stamp(self) -> tuple[int, int, int]:
        """Return values that change when the manifest is replaced: time, size and inode. Zeros if it is missing."""
        try:
            status = (self.path / "manifest.json").stat()
        except OSError:
            return 0, 0, 0
        return status.st_mtime_ns, status.st_size, status.st_ino

    def save(self, **changes: Any) -> None:
        """Raise ReadOnly."""
        raise ReadOnly(_OWNED)

    def close(self) -> None:
        """Do nothing, because the folder is not owned."""


class Replica(CatalogReader):
    """Read methods of a catalog that another process owns. Thread-safe. It follows the changes of the owner.

    Args:
        folder: Folder of the catalog.
        settings: Settings.
    """

    folder: _ReadOnlyFolder
    index: Cluster

    def __init__(self, folder: _ReadOnlyFolder, settings: Settings) -> None:
        self._following = threading.Lock()
        self._tried = 0.0
        super().__init__(folder, settings)

    def _open_index(self) -> Cluster:
        return find_index(self.folder)

    def _open_models(self) -> None:
        if not self.folder.manifest.active:
            raise NotFound(f"{self.folder.path} has no model yet; add products in the process that owns it")
        self.model = registry.open_model(self.folder, self.settings)
        self._load_contexts()

    def _load_contexts(self) -> None:
        super()._load_contexts()
        self.trial = None  # searches of an experiment are counted by the owner

    @cached_property
    def events(self) -> EventStore:
        """Events in the database of the setting `events`.

        Raises:
            ReadOnly: The events are in the folder.
        """
        if not self.settings.text("events"):
            raise ReadOnly("events cannot be written to a read-only folder; set SNAPFIND_EVENTS to a database")
        return super().events

    def search(self, *wanted: Any, **options: Any) -> Answer:
        """As `CatalogReader.search`."""
        before = self.context
        try:
            return super().search(*wanted, **options)
        except SnapfindError:
            with self._following:
                self._follow()
            if self.context is before:
                self._check_model()
                raise
            return super().search(*wanted, **options)

    def info(self) -> dict[str, Any]:
        """As `CatalogReader.info`."""
        self._check_manifest()
        return super().info()

    def _reading(self, model: str | None = None) -> AbstractContextManager[SearchContext]:
        self._check_manifest()
        self._check_model()
        return super()._reading(model)

    def _parsed(self, filter: str) -> Filter:
        self._check_manifest()
        return super()._parsed(filter)

    def _check_manifest(self) -> None:
        """Read a replaced manifest, unless another thread does."""
        if self.folder.stamp != self.folder.read_stamp() and self._following.acquire(blocking=False):
            try:
                if time.monotonic() - self._tried > _RETRY:
                    self._follow()
            finally:
                self._following.release()

    def _check_model(self) -> None:
        """Raise NotReady if the owner dropped the model that this folder names."""
        name, known = self.model.photo.space.id, self.index.spaces()
        if known and name not in known:
            raise NotReady(f"model {name} was dropped by the owner of this catalog; update {self.folder.path}")

    def _follow(self) -> None:
        """Open what the manifest names now, completely or not at all."""
        if self.folder.stamp == self.folder.read_stamp():
            return
        before = self.folder, self.model, self.index
        try:
            self.folder = _ReadOnlyFolder(self.folder.path)
            self.index = self._current_index(before[0])
            self.model = self._current_model(before[0])
            self._load_contexts()
            self._tried = 0.0
        except (SnapfindError, OSError) as error:
            self.folder, self.model, self.index = before
            self._tried = time.monotonic()
            log.warning("%s changed and cannot be read yet: %s", self.folder.path, error)
            return
        if before[2] is not self.index:
            self._readers.wait(lambda context: context.index is before[2])
            before[2].close()

    def _current_index(self, before: _ReadOnlyFolder) -> Cluster:
        """Return the index of the current manifest."""
        if before.manifest.index != self.folder.manifest.index:
            return find_index(self.folder)
        self.index.refresh()
        return self.index

    def _current_model(self, before: _ReadOnlyFolder) -> Model:
        """Return the model of the current manifest. It is opened again if it changed."""
        old, new = before.manifest, self.folder.manifest
        if (old.models, old.active, old.text_to_image) == (new.models, new.active, new.text_to_image):
            return self.model
        return registry.open_model(self.folder, self.settings)
