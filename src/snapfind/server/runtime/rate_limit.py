"""How much one key may ask: so many requests in any minute, so many at a time."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from snapfind.core.errors import Busy

__all__ = ["Meter"]

_MOST_KEYS = 100_000
_MINUTE = 60.0


@dataclass(slots=True)
class _Use:
    """When one key asked within the last minute, and how many of its requests run."""

    times: deque[float] = field(default_factory=deque)
    inside: int = 0


class Meter:
    """A rate limit per key over a sliding window of a minute: exactly `rate` requests pass; 0 sets no limit.

    Args:
        rate: Requests of one key in any minute.
        concurrency: Requests of one key at a time.
        clock: Seconds that only grow.
    """

    def __init__(self, rate: int, concurrency: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._concurrency, self._clock = rate, concurrency, clock
        self._lock = threading.Lock()
        self._uses: dict[str, _Use] = {}

    @contextmanager
    def one(self, key: str) -> Iterator[None]:
        """One request of a key. Raises Busy with code `rate_limited`."""
        with self._lock:
            use = self._uses.setdefault(key, _Use())
            self._take(use, key)
            use.inside += 1
        try:
            yield
        finally:
            with self._lock:
                use.inside -= 1
                if not use.inside and len(self._uses) > _MOST_KEYS:
                    self._uses.pop(key, None)

    def _take(self, use: _Use, key: str) -> None:
        if self._concurrency and use.inside >= self._concurrency:
            said = f"key {key} has {use.inside} requests at a time; the most is {self._concurrency}"
            raise Busy(said, code="rate_limited", retry_after=1)
        if not self._rate:
            return
        now = self._clock()
        while use.times and now - use.times[0] >= _MINUTE:
            use.times.popleft()
        if len(use.times) >= self._rate:
            wait = use.times[0] + _MINUTE - now
            said = f"key {key} asked {self._rate} times within a minute, the most that is allowed"
            raise Busy(f"{said}; ask again in {math.ceil(wait)} s", code="rate_limited", retry_after=wait)
        use.times.append(now)
