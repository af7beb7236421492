"""Ordered map in threads that runs a bounded number of items ahead of the consumer.

Pillow releases the GIL while it decodes. The order is that of the input, so an interrupted run can continue where it
stopped.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

__all__ = ["map_ahead"]


S = TypeVar("S")
T = TypeVar("T")


def map_ahead(
    pool: ThreadPoolExecutor, work: Callable[[S], T], items: Iterable[S], depth: int
) -> Iterator[tuple[S, T]]:
    """Apply a function to items in threads, ahead of the consumer.

    Closing the iterator early cancels what has not started. An exception of `work` is raised at its item.

    Args:
        pool: The threads.
        work: Function of one item.
        items: The items. They are read as needed.
        depth: Maximum number of items that are done or in progress.

    Yields:
        Each item and its result, in the order of the items.
    """
    rest = iter(items)
    waiting: deque[tuple[S, Future[T]]] = deque((item, pool.submit(work, item)) for item in islice(rest, depth))
    try:
        while waiting:
            item, future = waiting.popleft()
            result = future.result()
            # the next one starts only now, after one is finished
            waiting.extend((after, pool.submit(work, after)) for after in islice(rest, 1))
            yield item, result
    finally:
        for _, future in waiting:
            future.cancel()
