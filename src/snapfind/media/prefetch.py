"""Work done in threads a little ahead of whoever takes it. Pillow lets go of the GIL while it decodes.

Memory is bounded by the look-ahead: at most `depth` items are done or being done, whatever the speed of the taker.
Order is kept, so that a run can say "done up to here".
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

__all__ = ["ahead"]


S = TypeVar("S")
T = TypeVar("T")


def ahead(pool: ThreadPoolExecutor, work: Callable[[S], T], items: Iterable[S], depth: int) -> Iterator[tuple[S, T]]:
    """Each item with what `work` made of it, in the given order; the pool works on up to `depth` of them.

    Closing the iterator early drops what has not begun. What `work` raises is raised where its item is due.
    """
    coming = iter(items)
    waiting: deque[tuple[S, Future[T]]] = deque((item, pool.submit(work, item)) for item in islice(coming, depth))
    try:
        while waiting:
            item, future = waiting.popleft()
            done = future.result()
            # only now, with one handed out, may the next one begin
            waiting.extend((after, pool.submit(work, after)) for after in islice(coming, 1))
            yield item, done
    finally:
        for _, future in waiting:
            future.cancel()
