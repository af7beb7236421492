"""Decoding in other processes, so that a file that crashes a decoder does not stop the server.

Pillow's security handbook recommends such a sandbox. Each process decodes one file at a time. If it dies, or takes too
long or too much memory, it is ended, its file is rejected, and a new process is started when one is needed.
"""

import json
import logging
import math
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import astuple
from typing import Any, BinaryIO, cast

from PIL import Image

from snapfind.core.errors import BadPicture, NotReady
from snapfind.media.base import MediaHandler, MediaItem
from snapfind.media.handlers import IMAGES, handler_for
from snapfind.media.image.decode import Limits
from snapfind.media.image.sandbox_worker import read_frame, write_frames

__all__ = ["DecoderPool"]

log = logging.getLogger("snapfind.media")
_INTERVAL = 0.05  # seconds between checks of the time limits
_START = 60.0  # seconds for a new process to import its modules, on a busy machine


class DecoderPool:
    """Decodes files in other processes. Any thread may call it.

    Args:
        processes: Maximum number of processes. They start when they are needed.
        megabytes: Memory limit of each.
        seconds: Time limit for an image, and for each item of a file with several.

    Example:
        >>> pool = DecoderPool(processes=2, megabytes=1536, seconds=10)
        >>> pool(content, limits, side=224)                    # an RGB image
        >>> list(pool.read("clip.flip", content, limits))      # the items of any media type
    """

    def __init__(self, processes: int, megabytes: int, seconds: float) -> None:
        self._processes, self._megabytes, self._seconds = processes, megabytes, seconds
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(processes):
            self._idle.put(None)
        self._closed = False
        self._workers: list[_Worker] = []
        self._timer: threading.Thread | None = None
        self._starting, self._over = threading.Lock(), threading.Event()

    def __call__(self, source: bytes, limits: Limits, *, side: int | None = None) -> Image.Image:
        """Decode an image.

        Args:
            source: Bytes of an image file.
            limits: Maximum sizes.
            side: Longest side in pixels that is needed. A larger image may be decoded smaller, but not below it.

        Returns:
            The image, RGB and upright.

        Raises:
            BadPicture: The image cannot be decoded, or its process died or took too long.
            NotReady: The pool is closed, or no process starts.
        """
        if not source or len(source) > limits.max_bytes:  # not worth a copy to another process
            from snapfind.media.image.decode import probe

            probe(source, limits)
        [item] = self._items(IMAGES, source, limits, side)
        return item.image

    def read(self, name: str, content: bytes, limits: Limits, *, side: int | None = None) -> Iterator[MediaItem]:
        """Read the items of a media file, as `read_media` does in this process.

        Args:
            name: Name, path or URL of the file.
            content: The bytes of the file.
            limits: Maximum sizes.
            side: Longest side in pixels that is needed.

        Yields:
            The items in order.

        Raises:
            BadPicture: The file cannot be read, or its process died or took too long.
            NotReady: The pool is closed, or no process starts.
        """
        return self._items(handler_for(name), content, limits, side)

    def _items(self, handler: MediaHandler, content: bytes, limits: Limits, side: int | None) -> Iterator[MediaItem]:
        own = type(handler)
        request = {
            "handler": f"{own.__module__}:{own.__qualname__}",
            # a handler from outside is imported from where this process found it
            "path": [] if own.__module__.startswith("snapfind.") else [place for place in sys.path if place],
            "limits": astuple(limits),
            "side": side,
        }
        options = json.dumps(request).encode()
        with self._worker() as worker, closing(worker.ask(options, content, self._seconds)) as answers:
            for ordinal, (header, pixels) in enumerate(answers):
                if "code" in header:
                    raise BadPicture(str(header["message"]), code=str(header["code"]))
                if ordinal == limits.max_items:  # checked there too, but the process may not be ours any more
                    raise BadPicture(f"the file has more than {limits.max_items:,} segments; send a shorter one")
                yield _parse_item(header, pixels, ordinal)

    @contextmanager
    def _worker(self) -> Iterator["_Worker"]:
        worker = self._idle.get()
        try:
            if self._closed:
                raise NotReady("the server is stopping")
            if worker is not None and not worker.alive:
                worker.end()
                worker = None
            worker = worker or self._new()
            yield worker
        finally:
            self._idle.put(worker if worker is not None and worker.alive else None)

    def _new(self) -> "_Worker":
        with self._starting:
            self._workers[:] = [worker for worker in self._workers if worker.alive]
            if self._timer is None:
                self._timer = threading.Thread(target=self._check_times, name="snapfind-decode-watch", daemon=True)
                self._timer.start()
        return _Worker(self._megabytes, self._workers)

    def _check_times(self) -> None:
        """Check the time limits of all processes in one thread. A timer per file would cost as much as decoding."""
        while not self._over.wait(_INTERVAL):
            for worker in list(self._workers):
                worker.check()

    def close(self) -> None:
        """End the processes, after each has finished its file."""
        self._closed = True
        for worker in [self._idle.get() for _ in range(self._processes)]:
            if worker is not None:
                worker.end()
            self._idle.put(None)
        self._over.set()


def _parse_item(header: Mapping[str, Any], pixels: bytes, ordinal: int) -> MediaItem:
    """Parse an answer. A process that a file has taken over may send anything."""
    try:
        width, height = header["size"]
        start, end = (None if time is None else float(time) for time in (header["start"], header["end"]))
        image = Image.frombytes("RGB", (int(width), int(height)), pixels)
        return MediaItem(image, str(header["kind"])[:64], start, end, ordinal)
    except (KeyError, TypeError, ValueError, MemoryError):
        raise BadPicture("the picture cannot be decoded: the decoder failed on it; send it as a JPEG") from None


class _Worker:
    """One process and its pipes."""

    def __init__(self, megabytes: int, known: list["_Worker"]) -> None:
        self._late, self._until = False, math.inf
        inherited = {
            name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "SYSTEMROOT"}
        }
        single_threaded = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(  # noqa: S603 (our own interpreter, nothing of the caller)
            [sys.executable, "-I", "-m", "snapfind.media.image.sandbox_worker", str(megabytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=inherited | single_threaded,
            close_fds=True,
        )
        known.append(self)
        for pipe in (self._process.stdin, self._process.stdout):
            _widen(cast(BinaryIO, pipe))
        try:
            with self._time_limit(_START):
                read_frame(self._stdout)
        except EOFError:
            self.end()
            raise NotReady("the decoding process does not start; raise decode_memory") from None

    @property
    def _stdout(self) -> BinaryIO:
        return cast(BinaryIO, self._process.stdout)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def ask(
        self, request: bytes, content: bytes, seconds: float
    ) -> Generator[tuple[dict[str, Any], bytes], None, None]:
        """Send one file, and iterate over the answers: header and pixels of each item, or the header of an error.

        Args:
            request: JSON of the request.
            content: Bytes of the file.
            seconds: Time limit until the first answer, and from each to the next.

        Raises:
            BadPicture: The process died or took too long.
        """
        finished = False
        try:
            with self._time_limit(seconds):
                write_frames(cast(BinaryIO, self._process.stdin), request, content)
                header, pixels = json.loads(read_frame(self._stdout)), read_frame(self._stdout)
            while "size" in header:
                yield header, pixels
                with self._time_limit(seconds):
                    header, pixels = json.loads(read_frame(self._stdout)), read_frame(self._stdout)
            finished = True
            if header:
                yield header, pixels
        except (EOFError, OSError):
            self.end()
            if self._late:
                log.warning("a file of %d bytes took longer than %g s to decode", len(content), seconds)
                raise BadPicture(f"the picture takes longer than {seconds:g} s to decode; make it smaller") from None
            log.warning("a decoding process crashed on a file of %d bytes (%s)", len(content), self._process.returncode)
            raise BadPicture("the picture cannot be decoded: the decoder failed on it; send it as a JPEG") from None
        finally:
            if not finished:  # it died, or nobody waits for the rest of its answer
                self.end()

    @contextmanager
    def _time_limit(self, seconds: float) -> Iterator[None]:
        """Set a time limit for reading and writing. `check` ends the process when it is exceeded."""
        self._late, self._until = False, time.monotonic() + seconds
        try:
            yield
        finally:
            self._until = math.inf

    def check(self) -> None:
        """End the process if its time limit is exceeded."""
        if time.monotonic() > self._until:
            self._late = True
            self._process.kill()

    def end(self) -> None:
        """End the process and close its pipes."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # data were buffered for the dead process
                    log.debug("a pipe of a dead process was not empty")


def _widen(pipe: BinaryIO) -> None:
    """Enlarge a pipe to 1 MB on Linux. With 64 KB, the two processes wait for each other more often."""
    try:
        from fcntl import F_SETPIPE_SZ, fcntl
    except ImportError:  # macOS, Windows
        return
    with suppress(OSError):  # the system may allow less
        fcntl(pipe.fileno(), F_SETPIPE_SZ, 1 << 20)
