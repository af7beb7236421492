"""Which shelves searches are reading, so that what a shelf stands on is taken away after the last of them.

A search takes the shelf that answers at that moment and keeps it to its end. Switching puts another shelf there, which
needs no waiting; dropping the vectors of the old one, or closing its index, does.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from snapfind.search.context import Shelf

__all__ = ["Readers"]


class Readers:
    """The shelves in use. Any thread may call it."""

    def __init__(self) -> None:
        self._reading: dict[object, Shelf] = {}
        self._changed = threading.Condition()

    @contextmanager
    def of(self, taken: Callable[[], Shelf]) -> Iterator[Shelf]:
        """The shelf that `taken` gives, in use until the block ends. Raises what `taken` raises."""
        search = object()
        with self._changed:
            shelf = self._reading[search] = taken()
        try:
            yield shelf
        finally:
            with self._changed:
                del self._reading[search]
                self._changed.notify_all()

    def wait(self, fits: Callable[[Shelf], bool]) -> None:
        """Return when no shelf that fits is read; put another one in its place first."""
        with self._changed:
            self._changed.wait_for(lambda: not any(fits(shelf) for shelf in self._reading.values()))
