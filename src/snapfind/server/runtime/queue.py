"""A bounded queue before a pool of threads: so many run, so many wait, the next one is told to come back."""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from snapfind.core.errors import Busy, NotReady, TimedOut
from snapfind.server.runtime.trace import Trace

__all__ = ["Gate", "cores"]

T = TypeVar("T")


def cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


class Gate:
    """Lets `workers` pieces of work run and `waiting` more wait; after `timeout` seconds the caller is let go."""

    def __init__(self, name: str, workers: int, waiting: int, timeout: float) -> None:
        self.workers, self.waiting, self.timeout = workers, waiting, timeout
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=f"snapfind-{name}")
        self._lock = threading.Lock()
        self._inside = 0
        self._usual = 0.05  # seconds that a piece of work takes, a running mean
        self._closed = False

    @property
    def inside(self) -> int:
        """Pieces of work that run or wait."""
        return self._inside

    def refuse_if_full(self) -> None:
        """Raises Busy where nobody more may wait; the doors ask before a body is read in earnest."""
        if self._inside >= self.workers + self.waiting:
            wait = self._usual * self._inside / self.workers
            raise Busy("too many requests at once; come back after the time in Retry-After", retry_after=wait)

    async def run(self, trace: Trace, work: Callable[[], T]) -> T:
        """What `work` returns, done in a thread. Raises Busy, TimedOut, NotReady when the server stops."""
        with self._lock:
            if self._closed:
                raise NotReady("the server is stopping; ask again when it is back")
            self.refuse_if_full()
            self._inside += 1
        came = time.perf_counter()
        future = self._pool.submit(self._timed, trace, came, work)
        future.add_done_callback(lambda _: self._leave())
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self.timeout)
        except TimeoutError:
            raise TimedOut(f"it took longer than {self.timeout:g} seconds; ask for less or raise `timeout`") from None

    def _timed(self, trace: Trace, came: float, work: Callable[[], T]) -> T:
        begin = time.perf_counter()
        trace.add({"wait": (begin - came) * 1000})
        try:
            return work()
        finally:
            self._usual += 0.1 * (time.perf_counter() - begin - self._usual)

    def _leave(self) -> None:
        with self._lock:
            self._inside -= 1

    def close(self) -> None:
        """Take nothing more and finish what was taken."""
        self._closed = True
        self._pool.shutdown(wait=True)
