"""How much one key may ask: so many requests a minute (a bucket that refills), so many at a time."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from snapfind.errors import Busy

__all__ = ["Meter"]

_MOST_KEYS = 100_000


@dataclass(slots=True)
class _Use:
    """A bucket of one key: what it may still ask, when that was so, how much of it runs."""

    left: float
    when: float
    inside: int = 0


class Meter:
    """Counts requests by key; 0 sets no limit."""

    def __init__(self, rate: float, concurrency: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._concurrency, self._clock = rate / 60, concurrency, clock
        self._burst = max(1.0, rate / 6)  # ten seconds' worth at once
        self._lock = threading.Lock()
        self._uses: dict[str, _Use] = {}

    @contextmanager
    def one(self, key: str) -> Iterator[None]:
        """One request of a key. Raises Busy with code `rate_limited`."""
        with self._lock:
            use = self._uses.setdefault(key, _Use(self._burst, self._clock()))
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
        use.left = min(self._burst, use.left + (now - use.when) * self._rate)
        use.when = now
        if use.left < 1:
            said = f"key {key} asks more than {self._rate * 60:g} times a minute; come back after Retry-After"
            raise Busy(said, code="rate_limited", retry_after=(1 - use.left) / self._rate)
        use.left -= 1
