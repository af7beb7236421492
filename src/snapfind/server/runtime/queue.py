"""Thread pool with a bounded queue: further requests are rejected with Busy."""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from snapfind.core.errors import Busy, NotReady, TimedOut
from snapfind.server.runtime.trace import Trace

__all__ = ["BoundedQueue", "cores"]

T = TypeVar("T")


def cores() -> int:
    """Return the number of CPU cores available to this process."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


class BoundedQueue:
    """Thread pool with a bounded queue.

    Args:
        name: Name for threads and metrics.
        workers: Number of threads.
        waiting: Maximum queue length.
        timeout: Time limit in seconds, including the wait.
    """

    def __init__(self, name: str, workers: int, waiting: int, timeout: float) -> None:
        self.workers, self.waiting, self.timeout = workers, waiting, timeout
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=f"snapfind-{name}")
        self._lock = threading.Lock()
        self._inside = 0
        self._mean_seconds = 0.05  # moving average of the run time
        self._closed = False

    @property
    def inside(self) -> int:
        """Number of running and waiting requests."""
        return self._inside

    def raise_if_full(self) -> None:
        """Raise Busy if the queue is full. Called before a body is parsed."""
        if self._inside >= self.workers + self.waiting:
            wait = self._mean_seconds * self._inside / self.workers
            raise Busy("too many concurrent requests; retry after the time in Retry-After", retry_after=wait)

    async def run(self, trace: Trace, work: Callable[[], T]) -> T:
        """Run `work` in a thread and return its result.

        Args:
            trace: Trace of the request. The wait is recorded in it.
            work: Function to run.

        Raises:
            Busy: The queue is full.
            TimedOut: The time limit was exceeded.
            NotReady: The server is stopping.
        """
        with self._lock:
            if self._closed:
                raise NotReady("the server is stopping; retry later")
            self.raise_if_full()
            self._inside += 1
        queued_at = time.perf_counter()
        future = self._pool.submit(self._timed, trace, queued_at, work)
        future.add_done_callback(lambda _: self._leave())
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self.timeout)
        except TimeoutError:
            raise TimedOut(
                f"the time limit of {self.timeout:g} seconds was exceeded; request less, or raise `timeout`"
            ) from None

    def _timed(self, trace: Trace, queued_at: float, work: Callable[[], T]) -> T:
        started_at = time.perf_counter()
        trace.add({"wait": (started_at - queued_at) * 1000})
        try:
            return work()
        finally:
            self._mean_seconds += 0.1 * (time.perf_counter() - started_at - self._mean_seconds)

    def _leave(self) -> None:
        with self._lock:
            self._inside -= 1

    def close(self) -> None:
        """Reject new requests, and finish those in the queue."""
        self._closed = True
        self._pool.shutdown(wait=True)
