"""A catalog that another process owns: its folder, or a copy of it, is read; its index is on Qdrant servers.

The owner replaces the manifest whole after every change of models, fields or what was learned. A search looks whether
that file was replaced; the first that sees it reads it anew, those beside it go on with what they have. Where the new
files are not all there yet, as in a copy under way, the old ones go on answering and it is tried again. The vectors of
a model lie in the index until the owner drops it; a search that was caught by that is made once more.
"""

import logging
import threading
import time
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any

from snapfind.catalog.models import registry
from snapfind.catalog.read import Reading
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

__all__ = ["ReadOnlyFolder", "Replica", "open_replica"]

log = logging.getLogger("snapfind.replica")

_AGAIN = 2.0  # seconds after which a manifest that could not be followed is tried again
_OWNED = "this catalog is open for reading only; change it where it is owned"


def open_replica(path: str | Path, **settings: int | float | str) -> "Replica":
    """Open the folder of a catalog that another process owns, or a copy of it; `settings` as for `open_catalog`.

    Raises NotFound, CatalogBroken, ReadOnly for an embedded index, NotReady where no server answers.
    """
    return Replica(ReadOnlyFolder(Path(path)), Settings(settings))


class ReadOnlyFolder(Folder):
    """A folder that is read without owning it. Raises NotFound, CatalogBroken; what would change it raises ReadOnly."""

    def __init__(self, path: Path) -> None:
        path = self.path = absolute_path(path)
        if not (path / "manifest.json").exists():
            raise NotFound(f"{path} is not a catalog; give the folder of one, or a copy of it")
        self.stamp = self.stamped()
        self.manifest = self._read()

    def stamped(self) -> tuple[int, int, int]:
        """What changes when the manifest is replaced; zeros where it is gone."""
        try:
            told = (self.path / "manifest.json").stat()
        except OSError:
            return 0, 0, 0
        return told.st_mtime_ns, told.st_size, told.st_ino

    def save(self, **changes: Any) -> None:
        """Raises ReadOnly."""
        raise ReadOnly(_OWNED)

    def close(self) -> None:
        """Nothing was taken."""


class Replica(Reading):
    """The reading verbs of a catalog, following its owner. Any thread may call it; close it at the end."""

    folder: ReadOnlyFolder
    index: Cluster

    def __init__(self, folder: ReadOnlyFolder, settings: Settings) -> None:
        self._following = threading.Lock()
        self._tried = 0.0
        super().__init__(folder, settings)

    def _open_index(self) -> Cluster:
        return find_index(self.folder)

    def _begin(self) -> None:
        if not self.folder.manifest.active:
            raise NotFound(f"{self.folder.path} has no model yet; add products where it is owned")
        self.model = registry.open_model(self.folder, self.settings)
        self._load_contexts()

    def _load_contexts(self) -> None:
        super()._load_contexts()
        self.trial = None  # its votes are counted where the catalog is owned

    @cached_property
    def events(self) -> EventStore:
        """The database of the setting `events`. Raises ReadOnly where the events lie in the folder."""
        if not self.settings.text("events"):
            raise ReadOnly("events cannot be kept in a folder that is only read; set SNAPFIND_EVENTS to a database")
        return super().events

    def search(self, *wanted: Any, **options: Any) -> Answer:
        """As `Reading.search`."""
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
        """As `Reading.info`."""
        self._look()
        return super().info()

    def _reading(self, model: str | None = None) -> AbstractContextManager[SearchContext]:
        self._look()
        self._check_model()
        return super()._reading(model)

    def _parsed(self, filter: str) -> Filter:
        self._look()
        return super()._parsed(filter)

    def _look(self) -> None:
        """Follow the owner, unless another thread is at it."""
        if self.folder.stamp != self.folder.stamped() and self._following.acquire(blocking=False):
            try:
                if time.monotonic() - self._tried > _AGAIN:
                    self._follow()
            finally:
                self._following.release()

    def _check_model(self) -> None:
        """Raises NotReady where the owner dropped the model that this folder still names."""
        name, known = self.model.photo.space.id, self.index.spaces()
        if known and name not in known:
            raise NotReady(f"model {name} was dropped where this catalog is owned; bring {self.folder.path} up to date")

    def _follow(self) -> None:
        """Take over what the manifest says now, whole or not at all."""
        if self.folder.stamp == self.folder.stamped():
            return
        before = self.folder, self.model, self.index
        try:
            self.folder = ReadOnlyFolder(self.folder.path)
            self.index = self._moved(before[0])
            self.model = self._changed(before[0])
            self._load_contexts()
            self._tried = 0.0
        except (SnapfindError, OSError) as error:
            self.folder, self.model, self.index = before
            self._tried = time.monotonic()
            log.warning("%s changed and cannot be followed yet: %s", self.folder.path, error)
            return
        if before[2] is not self.index:
            self._readers.wait(lambda context: context.index is before[2])
            before[2].close()

    def _moved(self, before: ReadOnlyFolder) -> Cluster:
        """The index where it lies now."""
        if before.manifest.index != self.folder.manifest.index:
            return find_index(self.folder)
        self.index.refresh()
        return self.index

    def _changed(self, before: ReadOnlyFolder) -> Model:
        """The encoders, opened anew where there are others."""
        old, new = before.manifest, self.folder.manifest
        if (old.models, old.active, old.text_to_image) == (new.models, new.active, new.text_to_image):
            return self.model
        return registry.open_model(self.folder, self.settings)
