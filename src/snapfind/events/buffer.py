"""Events that a server notes by itself: written a little later, so that no search waits for the disk.

What shoppers report is written at once; of these, the last fraction of a second may be lost when a process is killed,
and all that does not fit into the queue when the disk is too slow.
"""

import logging
import queue
import threading

from snapfind.core.errors import SnapfindError
from snapfind.events.event import Event
from snapfind.events.store import EventStore

__all__ = ["EventBuffer"]

log = logging.getLogger("snapfind.events")
_MOST, _BATCH, _PAUSE = 10_000, 500, 0.2  # events that wait; in one write; seconds between writes


class EventBuffer:
    """Takes events without waiting and writes them in batches from a thread of its own."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._waiting: queue.Queue[Event] = queue.Queue(_MOST)
        self._writing, self._end = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="snapfind-events", daemon=True)
        self._thread.start()

    def note(self, event: Event) -> bool:
        """Take an event; False when the queue is full and it is dropped."""
        try:
            self._waiting.put_nowait(event)
        except queue.Full:
            return False
        return True

    def _run(self) -> None:
        while not self._end.wait(_PAUSE):
            self.flush()

    def flush(self) -> None:
        """Write what waits; when it returns, everything that was taken before is in the store."""
        with self._writing:
            while not self._waiting.empty():
                batch = [self._waiting.get() for _ in range(min(_BATCH, self._waiting.qsize()))]
                try:
                    self._store.write(batch)
                except SnapfindError as error:
                    log.warning("%d events are lost: %s", len(batch), error.message)

    def close(self) -> None:
        """Write what waits and end."""
        self._end.set()
        self._thread.join()
        self.flush()
