"""What the endpoints share: one catalogue and what guards it. Made when the server starts, closed when it stops."""

import logging
import threading
from typing import Annotated

from fastapi import Depends
from PIL import Image
from starlette.requests import Request

from snapfind._version import __version__
from snapfind.catalog.catalog import Catalog
from snapfind.media.images import Limits
from snapfind.server.gate import Gate, cores
from snapfind.server.keys import KeyStore
from snapfind.server.metrics import Metrics
from snapfind.server.trace import Trace, trace_of

__all__ = ["Now", "Service", "Serving", "log"]

log = logging.getLogger("snapfind.server")


class Service:
    """One catalogue being served."""

    def __init__(self, catalogue: Catalog, *, needs_key: bool = False) -> None:
        settings = catalogue.settings
        self.catalogue, self.settings, self.needs_key = catalogue, settings, needs_key
        self.metrics, self.version = Metrics(), __version__
        self.keys = KeyStore(catalogue.folder.path)
        timeout, queue = settings.number("timeout"), settings.whole("queue")
        self.reading = Gate("read", settings.whole("workers") or 2 * cores(), queue, timeout)
        # the catalogue writes one at a time; a second thread lets a small write decode while another is stored
        self.writing = Gate("write", 2, queue, timeout)
        self.metrics.watch("read", self.reading)
        self.metrics.watch("write", self.writing)
        self.ready, self.stopping = threading.Event(), threading.Event()

    def start(self) -> None:
        """Pass a real query, then be ready. Raises what it raises: a server that cannot search must not start."""
        self.catalogue.search(Image.new("RGB", (64, 64), "white"), limit=1)
        self.ready.set()

    def photo(self, file: bytes) -> Image.Image:
        """A shopper's photo, decoded. Raises BadPicture."""
        side = self.catalogue.shelf.model.photo.preprocessing.side
        return self.catalogue.decode(file, Limits.of(self.settings), side=side)

    def close(self) -> None:
        """Finish what was taken, then give the catalogue back."""
        self.stopping.set()
        for gate in (self.reading, self.writing):
            gate.close()
        self.catalogue.close()


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Serving = Annotated[Service, Depends(_service)]
Now = Annotated[Trace, Depends(trace_of)]
