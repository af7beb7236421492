"""State of an open catalog: folder, index, models and settings."""

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self

from snapfind._version import __version__
from snapfind.catalog.models import registry
from snapfind.catalog.models.trial import Trial, TrialLog
from snapfind.catalog.storage.folder import Folder, absolute_path
from snapfind.catalog.storage.leases import Readers
from snapfind.catalog.storage.migrate import open_index
from snapfind.catalog.storage.points import points_of
from snapfind.core.config import Settings
from snapfind.core.errors import BadInput, CatalogBusy, NotFound
from snapfind.core.types import Kind
from snapfind.encoders.embedding_model import Model
from snapfind.events.query_photos import QueryPhotoStore
from snapfind.index.base import Index, Point
from snapfind.index.filters import Filter, parse
from snapfind.index.payload import FIXED, SYSTEM
from snapfind.media.base import ReadMedia
from snapfind.media.handlers import read_media
from snapfind.search.context import SearchContext

if TYPE_CHECKING:
    from snapfind.events.store import EventStore

__all__ = ["CatalogState"]


class CatalogState:
    """Base class of catalogs: folder, index, models and settings. Thread-safe.

    Args:
        folder: Folder of the catalog, owned by this process.
        settings: Settings.
    """

    def __init__(self, folder: Folder, settings: Settings) -> None:
        self.folder, self.settings = folder, settings
        self._writing = threading.Lock()
        self.read_media: ReadMedia = read_media  # a server sets one that decodes in another process
        self._closed = False
        self._process = os.getpid()
        self._events_at = _events_place(self.settings.text("events")) or self.folder.path / "events.db"
        self._readers = Readers()
        self.trial: Trial | None = None
        self.trial_log = TrialLog(folder.path)
        try:
            self.index: Index = self._open_index()
            self._open_models()
        except BaseException:
            folder.close()
            raise

    def _open_index(self) -> Index:
        return open_index(self.folder)

    def _open_models(self) -> None:
        self.model = registry.open_model(self.folder, self.settings)
        if not self.folder.manifest.active:
            self.folder.save(created=datetime.now(UTC).isoformat(timespec="seconds"), version=__version__)
            name = self.model.photo.space.id
            if name not in self.folder.manifest.models:  # an artifact is registered when it is copied
                registry.register(self.folder, self.model.photo, adapted=False)
            registry.mark_ready(self.folder, name)
            self.folder.save(active=name)
        # descriptions are not indexed, because text search finds them
        indexed = {name: kind for name, kind in FIXED.items() if name != "description"}
        self.index.declare(SYSTEM | indexed | self.schema)
        self.index.publish(self.folder.manifest.active)  # in case a switch was interrupted
        self._load_contexts()

    @cached_property
    def events(self) -> "EventStore":
        """Events of shoppers: an SQLite file in the folder, or the database of the setting `events`."""
        from snapfind.events.store import EventStore  # imports SQLAlchemy, which takes .25 s

        return EventStore.at(self._events_at, salt_days=self.settings.number("salt_days"))

    @cached_property
    def query_photos(self) -> QueryPhotoStore:
        """Stored query photos by the id of the search. Empty unless `keep_photos` is set."""
        return QueryPhotoStore(self.folder.path / "query_photos")

    def forget(self, session: str) -> int:
        """Delete the events and query photos of a shopper's session.

        Args:
            session: Id of the session.

        Returns:
            Number of deleted events.
        """
        self.query_photos.forget(self.events.searches(session))
        return self.events.forget(session)

    def prune(self) -> None:
        """Delete events and query photos older than `event_days`. A clock that jumped ahead deletes none."""
        days, now = self.settings.number("event_days"), self.events.trusted_now()
        self.events.prune(days, now=now)
        self.query_photos.prune(days, now=now)

    def _load_contexts(self) -> None:
        answering = [self.model, *(Model(other, maps=self.model.maps) for other in self.model.others)]
        self._contexts = {
            own.photo.space.id: registry.search_context(self.folder, self.index, own, self.settings)
            for own in answering
        }
        self.context = self._contexts[self.model.photo.space.id]
        trial = self.folder.manifest.trial
        self.trial = Trial(**trial) if trial and trial["model"] in self._contexts else None

    def context_of(self, model: str | None) -> SearchContext:
        """Return the search context of a model.

        Args:
            model: Name of the model. None: the active one.

        Returns:
            Its context.

        Raises:
            NotFound: There is no such model.
            BadInput: The model is not built completely.
        """
        if model is None:
            return self.context
        known = self.folder.manifest.models
        if model not in known:
            raise NotFound(f"no model {model!r}; there are: {', '.join(known)}", field="model")
        if model not in self._contexts:
            raise BadInput(f"model {model} is not built completely; run: snapfind model build", field="model")
        return self._contexts[model]

    def _reading(self, model: str | None = None) -> AbstractContextManager[SearchContext]:
        """Hold the search context of a model until the block ends."""
        self._check_process()
        return self._readers.of(lambda: self.context_of(model))

    def _check_process(self) -> None:
        """Raise CatalogBusy in a forked child, which lacks the threads of encoder and engine: a search would hang."""
        if os.getpid() != self._process:
            raise CatalogBusy(
                f"{self.folder.path} was opened in process {self._process} before this one was forked from it; "
                "open it after the fork, start processes with 'spawn', or ask a server"
            )

    @property
    def schema(self) -> dict[str, Kind]:
        """Kinds of the shop's own attributes."""
        return self.folder.manifest.schema

    def _parsed(self, filter: str) -> Filter:
        return parse(filter, self.schema, self.settings.whole("max_filter"))

    def close(self) -> None:
        """Flush and release the folder. Closing twice, or in a forked child, does nothing."""
        if not self._closed and os.getpid() == self._process:
            self._closed = True
            if "events" in self.__dict__:
                self.events.close()
            self.index.close()
            self.folder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def points(self, chosen: Filter | None = None, *, vectors: bool = False) -> Iterator[Point]:
        """Iterate over stored points.

        Args:
            chosen: Filter, or None for all points.
            vectors: Also return the vectors.

        Returns:
            Points in order of id.
        """
        return points_of(self.index, chosen, vectors=vectors)


def _events_place(address: str) -> str:
    """Return the address of the event database, with an absolute path of an SQLite file."""
    scheme, mark, name = address.partition("sqlite:///")
    return address if scheme or not mark or name == ":memory:" else f"{mark}{absolute_path(name)}"
