"""Reference counts for search contexts: resources are released after the last reader.

A search uses the context that is active when it starts, until it ends. Switching the context needs no waiting.
Dropping the vectors of an old context, or closing its index, waits until no search reads it.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from snapfind.search.context import SearchContext

__all__ = ["Readers"]


class Readers:
    """The search contexts in use. Thread-safe."""

    def __init__(self) -> None:
        self._reading: dict[object, SearchContext] = {}
        self._changed = threading.Condition()

    @contextmanager
    def of(self, acquire: Callable[[], SearchContext]) -> Iterator[SearchContext]:
        """Hold a search context until the block ends.

        Args:
            acquire: Returns the context to hold. Its exceptions are passed on.

        Yields:
            The context of `acquire`.
        """
        search = object()
        with self._changed:
            context = self._reading[search] = acquire()
        try:
            yield context
        finally:
            with self._changed:
                del self._reading[search]
                self._changed.notify_all()

    def wait(self, matches: Callable[[SearchContext], bool]) -> None:
        """Wait until no matching context is in use. Replace the active context first.

        Args:
            matches: Tells whether a context must be free.
        """
        with self._changed:
            self._changed.wait_for(lambda: not any(matches(context) for context in self._reading.values()))
