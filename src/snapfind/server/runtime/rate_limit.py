"""Rate limit and concurrency limit per API key."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from snapfind.core.errors import Busy

__all__ = ["RateLimiter"]

_MAX_KEYS = 100_000
_MINUTE = 60.0


@dataclass(slots=True)
class _Usage:
    """Times of the requests of a key within the last minute, and number of running ones."""

    times: deque[float] = field(default_factory=deque)
    inside: int = 0


class RateLimiter:
    """Rate limiter with a sliding window of one minute, and a concurrency limit.

    Args:
        rate: Requests per key and minute. 0: no limit.
        concurrency: Concurrent requests per key. 0: no limit.
        clock: Monotonic clock in seconds.
    """

    def __init__(self, rate: int, concurrency: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._concurrency, self._clock = rate, concurrency, clock
        self._lock = threading.Lock()
        self._uses: dict[str, _Usage] = {}

    @contextmanager
    def one(self, key: str) -> Iterator[None]:
        """Count one request of a key for the duration of the block.

        Raises:
            Busy: A limit is exceeded (code `rate_limited`).
        """
        with self._lock:
            use = self._uses.setdefault(key, _Usage())
            self._take(use, key)
            use.inside += 1
        try:
            yield
        finally:
            with self._lock:
                use.inside -= 1
                if not use.inside and len(self._uses) > _MAX_KEYS:
                    self._uses.pop(key, None)

    def _take(self, use: _Usage, key: str) -> None:
        if self._concurrency and use.inside >= self._concurrency:
            message = f"key {key} has {use.inside} concurrent requests; the limit is {self._concurrency}"
            raise Busy(message, code="rate_limited", retry_after=1)
        if not self._rate:
            return
        now = self._clock()
        while use.times and now - use.times[0] >= _MINUTE:
            use.times.popleft()
        if len(use.times) >= self._rate:
            wait = use.times[0] + _MINUTE - now
            message = f"key {key} reached the rate limit of {self._rate} requests per minute"
            raise Busy(f"{message}; retry in {math.ceil(wait)} s", code="rate_limited", retry_after=wait)
        use.times.append(now)
