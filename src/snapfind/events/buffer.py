"""Write-behind buffer for the search events of a server, so that no search waits for the disk.

If the process is killed, events of the last fraction of a second are lost. If the disk is too slow, events that do not
fit into the queue are dropped. Events that shoppers report are written at once and do not use the buffer.
"""

import logging
import queue
import threading

from snapfind.core.errors import SnapfindError
from snapfind.events.event import Event
from snapfind.events.store import EventStore

__all__ = ["EventBuffer"]

log = logging.getLogger("snapfind.events")
_CAPACITY, _BATCH, _INTERVAL = 10_000, 500, 0.2  # events in the queue; in one write; seconds between writes


class EventBuffer:
    """Buffer that takes events without waiting and writes them in batches in its own thread.

    Args:
        store: Store that the events are written to.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._queue: queue.Queue[Event] = queue.Queue(_CAPACITY)
        self._writing, self._end = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="snapfind-events", daemon=True)
        self._thread.start()

    def add(self, event: Event) -> bool:
        """Queue an event.

        Args:
            event: The event.

        Returns:
            False if the queue is full and the event is dropped.
        """
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            return False
        return True

    def _run(self) -> None:
        while not self._end.wait(_INTERVAL):
            self.flush()

    def flush(self) -> None:
        """Write all queued events. When it returns, they are in the store."""
        with self._writing:
            while not self._queue.empty():
                batch = [self._queue.get() for _ in range(min(_BATCH, self._queue.qsize()))]
                try:
                    self._store.write(batch)
                except SnapfindError as error:
                    log.warning("%d events are lost: %s", len(batch), error.message)

    def close(self) -> None:
        """Write all queued events and stop the thread."""
        self._end.set()
        self._thread.join()
        self.flush()
