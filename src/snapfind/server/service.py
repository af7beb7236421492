"""State shared by all routes: catalog, queues, rate limiter, jobs, metrics. Lives as long as the server."""

import io
import logging
import math
import random
import tempfile
import threading
from pathlib import Path
from typing import Annotated

from fastapi import Depends
from PIL import Image
from starlette.requests import Request

import snapfind
from snapfind._version import __version__
from snapfind.catalog.catalog import Catalog
from snapfind.catalog.replica import Replica
from snapfind.core.errors import ReadOnly, SnapfindError
from snapfind.core.types import Box
from snapfind.encoders.ocr.reader import open_reader
from snapfind.events.buffer import EventBuffer
from snapfind.events.event import Event
from snapfind.media.fetch import FetchPolicy, fetch_url
from snapfind.media.image.decode import Limits
from snapfind.media.image.sandbox import DecoderPool
from snapfind.server.jobs.handlers import job_handlers
from snapfind.server.jobs.queue import Jobs
from snapfind.server.keys import KeyStore
from snapfind.server.runtime.metrics import Metrics
from snapfind.server.runtime.queue import BoundedQueue, cores
from snapfind.server.runtime.rate_limit import RateLimiter
from snapfind.server.runtime.trace import Trace, trace_of
from snapfind.server.schemas.redact import without_folders

__all__ = ["Now", "Service", "Serving", "log"]

log = logging.getLogger("snapfind.server")


class Service:
    """A served catalog. `shop` is for reading, `catalog` for writing (not available on a read replica)."""

    def __init__(self, catalog: Catalog | Replica, *, needs_key: bool = False) -> None:
        settings = catalog.settings
        self.shop, self.settings, self.needs_key = catalog, settings, needs_key
        own_folders = [catalog.folder.path, Path(snapfind.__file__).parent, Path(tempfile.gettempdir())]
        models = settings.text("models")
        self._folders = [*own_folders, *([Path(models).expanduser()] if models else [])]
        self.metrics, self.version = Metrics(), __version__
        self.keys = KeyStore(catalog.folder.path)
        timeout, queue = settings.number("timeout"), settings.whole("queue")
        self.reading = BoundedQueue("read", settings.whole("workers") or 2 * cores(), queue, timeout)
        # writes are serialized; with a second thread, one write can decode while another is stored
        self.writing = BoundedQueue("write", 2, queue, timeout)
        self.fetching = FetchPolicy.of(settings)
        self.rate_limiter = RateLimiter(settings.whole("rate"), settings.whole("concurrency"))
        self.decode = DecoderPool(
            settings.whole("decoders"), settings.whole("decode_memory"), settings.number("decode_seconds")
        )
        # separate processes, so that imports do not slow down searches
        self._decode_added = DecoderPool(
            settings.whole("decoders"), settings.whole("decode_memory"), settings.number("decode_seconds")
        )
        catalog.read_media = self._decode_added.read
        self.metrics.watch("read", self.reading)
        self.metrics.watch("write", self.writing)
        self._later: EventBuffer | None = None
        own = catalog if isinstance(catalog, Catalog) else None
        self._jobs = Jobs(own.folder.path / "jobs", job_handlers(own)) if own is not None else None
        self.inside = 0  # requests in flight; used by the event loop only
        self.ready, self.stopping = threading.Event(), threading.Event()

    def start(self) -> None:
        """Run a test query, start background threads, and become ready.

        Raises:
            SnapfindError: The test query failed. A server that cannot search must not start.
        """
        buffer = io.BytesIO()
        Image.new("RGB", (64, 64), "white").save(buffer, "PNG")
        self.shop.search(self.photo(buffer.getvalue()), limit=1)
        if self.settings.whole("log_searches") and (not self.reads_only or self.settings.text("events")):
            self._later = EventBuffer(self.shop.events)
        if not self.reads_only:
            self.jobs.start()
            self.catalog.prune()
            threading.Thread(target=self._prune_daily, name="snapfind-prune", daemon=True).start()
        self.ready.set()

    def _prune_daily(self) -> None:
        while not self.stopping.wait(86_400):
            try:
                self.catalog.prune()
            except SnapfindError as error:
                log.warning("old events could not be deleted: %s", error.message)

    def private(self, text: str) -> str:
        """Remove local folders from a text that is sent to callers."""
        return without_folders(text, self._folders)

    @property
    def reads_only(self) -> bool:
        """True if another process owns the catalog."""
        return self._jobs is None

    @property
    def catalog(self) -> Catalog:
        """The catalog for writing.

        Raises:
            ReadOnly: Another process owns the catalog.
        """
        if not isinstance(self.shop, Catalog):
            raise ReadOnly("this server is a read replica; send writes to the server that owns the catalog")
        return self.shop

    @property
    def jobs(self) -> Jobs:
        """The jobs of the catalog.

        Raises:
            ReadOnly: Another process owns the catalog.
        """
        if self._jobs is None:
            raise ReadOnly("this server is a read replica; jobs run on the server that owns the catalog")
        return self._jobs

    def note(self, event: Event) -> None:
        """Queue a search event for the event log, if searches are logged."""
        if self._later is not None and not self._later.add(event):
            self.metrics.dropped.inc()

    def forget(self, session: str) -> int:
        """Delete all events and stored query photos of a session, including queued events."""
        if self._later is not None:
            self._later.flush()
        return self.catalog.forget(session)

    def keep(self, search: str, photo: Image.Image) -> None:
        """Store the photo of a search, at the rate of the setting `keep_photos`. Errors are logged only."""
        if not self.reads_only and random.random() < self.settings.number("keep_photos"):  # noqa: S311 (a sample, no secret)
            try:
                self.shop.query_photos.keep(search, photo)
            except OSError as error:
                log.warning("the photo of search %s was not stored: %s", search, error)

    def photo(self, file: bytes | str, box: Box | None = None) -> Image.Image:
        """Decode a query photo in a resolution that is sufficient for the encoder.

        Args:
            file: Bytes of a picture file, or its URL.
            box: Region that will be searched.

        Raises:
            BadPicture: The file cannot be fetched or decoded.
        """
        if isinstance(file, str):
            file = fetch_url(file, self.fetching)
        # twice the input size, because single objects are cropped and encoded
        side = 2 * self.shop.context.model.photo.preprocessing.source_side
        if box is not None:
            side = math.ceil(side / max(box.x1 - box.x0, box.y1 - box.y0))
        if reader := open_reader(self.settings, "search"):
            side = max(side, reader.side)
        return self.decode(file, Limits.of(self.settings), side=side)

    def close(self) -> None:
        """Finish requests in flight, then close the catalog."""
        self.stopping.set()
        if self._jobs is not None:
            self._jobs.close()
        for queue in (self.reading, self.writing):
            queue.close()
        if self._later is not None:
            self._later.close()
        self.decode.close()
        self._decode_added.close()
        self.shop.close()


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _trace(request: Request) -> Trace:
    return trace_of(request)


# coroutines, because the framework runs plain functions in a thread
Serving = Annotated[Service, Depends(_service)]
Now = Annotated[Trace, Depends(_trace)]
