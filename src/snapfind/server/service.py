"""What the endpoints share: one catalogue and what guards it. Made when the server starts, closed when it stops."""

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
from snapfind.events.buffer import Later
from snapfind.events.event import Event
from snapfind.media.fetch import Fetching, fetch
from snapfind.media.image.decode import Limits
from snapfind.media.image.sandbox import Apart
from snapfind.server.jobs.handlers import works
from snapfind.server.jobs.queue import Jobs
from snapfind.server.keys import KeyStore
from snapfind.server.runtime.metrics import Metrics
from snapfind.server.runtime.queue import Gate, cores
from snapfind.server.runtime.rate_limit import Meter
from snapfind.server.runtime.trace import Trace, trace_of
from snapfind.server.schemas.redact import without_folders

__all__ = ["Now", "Service", "Serving", "log"]

log = logging.getLogger("snapfind.server")


class Service:
    """One catalogue being served: `shop` to ask, `catalogue` to change, which a replica does not have."""

    def __init__(self, catalogue: Catalog | Replica, *, needs_key: bool = False) -> None:
        settings = catalogue.settings
        self.shop, self.settings, self.needs_key = catalogue, settings, needs_key
        own_folders = [catalogue.folder.path, Path(snapfind.__file__).parent, Path(tempfile.gettempdir())]
        models = settings.text("models")
        self._folders = [*own_folders, *([Path(models).expanduser()] if models else [])]
        self.metrics, self.version = Metrics(), __version__
        self.keys = KeyStore(catalogue.folder.path)
        timeout, queue = settings.number("timeout"), settings.whole("queue")
        self.reading = Gate("read", settings.whole("workers") or 2 * cores(), queue, timeout)
        # the catalogue writes one at a time; a second thread lets a small write decode while another is stored
        self.writing = Gate("write", 2, queue, timeout)
        self.fetching = Fetching.of(settings)
        self.meter = Meter(settings.whole("rate"), settings.whole("concurrency"))
        self.decode = Apart(
            settings.whole("decoders"), settings.whole("decode_memory"), settings.number("decode_seconds")
        )
        # processes of their own, so that an import does not hold up searches
        catalogue.decode = self._decode_added = Apart(
            settings.whole("decoders"), settings.whole("decode_memory"), settings.number("decode_seconds")
        )
        self.metrics.watch("read", self.reading)
        self.metrics.watch("write", self.writing)
        self._later: Later | None = None
        own = catalogue if isinstance(catalogue, Catalog) else None
        self._jobs = Jobs(own.folder.path / "jobs", works(own)) if own is not None else None
        self.inside = 0  # requests being read, run or answered; touched by the event loop only
        self.ready, self.stopping = threading.Event(), threading.Event()

    def start(self) -> None:
        """Pass a real query, then be ready. Raises what it raises: a server that cannot search must not start."""
        written = io.BytesIO()
        Image.new("RGB", (64, 64), "white").save(written, "PNG")
        self.shop.search(self.photo(written.getvalue()), limit=1)
        if self.settings.whole("log_searches") and (not self.reads_only or self.settings.text("events")):
            self._later = Later(self.shop.events)
        if not self.reads_only:
            self.jobs.start()
            self.catalogue.prune()
            threading.Thread(target=self._prune_daily, name="snapfind-prune", daemon=True).start()
        self.ready.set()

    def _prune_daily(self) -> None:
        while not self.stopping.wait(86_400):
            try:
                self.catalogue.prune()
            except SnapfindError as error:
                log.warning("old events could not be deleted: %s", error.message)

    def private(self, text: str) -> str:
        """A text to serve, without the folders of this machine."""
        return without_folders(text, self._folders)

    @property
    def reads_only(self) -> bool:
        """Whether another process owns the catalogue."""
        return self._jobs is None

    @property
    def catalogue(self) -> Catalog:
        """The catalogue for one who changes it. Raises ReadOnly where another process owns it."""
        if not isinstance(self.shop, Catalog):
            raise ReadOnly("this server answers from a catalogue that another one writes; ask that one")
        return self.shop

    @property
    def jobs(self) -> Jobs:
        """The jobs of the catalogue. Raises ReadOnly where another process owns it, and they are its."""
        if self._jobs is None:
            raise ReadOnly("this server answers from a catalogue that another one writes; its jobs are there")
        return self._jobs

    def note(self, event: Event) -> None:
        """Keep an event a little later, where searches are to be kept."""
        if self._later is not None and not self._later.note(event):
            self.metrics.dropped.inc()

    def forget(self, session: str) -> int:
        """Delete every event of a session and the photos of its searches, those that wait to be written too."""
        if self._later is not None:
            self._later.flush()
        return self.catalogue.forget(session)

    def keep(self, search: str, photo: Image.Image) -> None:
        """Keep the photo of a search where the shop asks for it; without room for it the search goes on."""
        if not self.reads_only and random.random() < self.settings.number("keep_photos"):  # noqa: S311 (a sample, no secret)
            try:
                self.shop.asked.keep(search, photo)
            except OSError as error:
                log.warning("the photo of search %s is not kept: %s", search, error)

    def photo(self, file: bytes | str, box: Box | None = None) -> Image.Image:
        """A shopper's photo, bytes or an address, decoded as large as the encoder wants it, or its box.

        Raises BadPicture.
        """
        if isinstance(file, str):
            file = fetch(file, self.fetching)
        # an object in it is looked at more closely
        side = 2 * self.shop.context.model.photo.preprocessing.source_side
        if box is not None:
            side = math.ceil(side / max(box.x1 - box.x0, box.y1 - box.y0))
        return self.decode(file, Limits.of(self.settings), side=side)

    def close(self) -> None:
        """Finish what was taken, then give the catalogue back."""
        self.stopping.set()
        if self._jobs is not None:
            self._jobs.close()
        for gate in (self.reading, self.writing):
            gate.close()
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


# coroutines, because the framework sends plain functions through a thread
Serving = Annotated[Service, Depends(_service)]
Now = Annotated[Trace, Depends(_trace)]
