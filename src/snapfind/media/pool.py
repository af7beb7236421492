"""Many pictures, decoded in threads a little ahead of whoever takes them. Pillow lets go of the GIL while it decodes.

Memory is bounded by the look-ahead: at most `ahead` pictures are decoded or being decoded, whatever the speed of the
taker. Order is kept, so that a journal can say "done up to here".
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from PIL import Image

from snapfind.errors import BadPicture
from snapfind.media.images import Limits, Source, load

__all__ = ["decode_many"]

_Given = TypeVar("_Given", bound=Source)


def decode_many(
    sources: Iterable[_Given], limits: Limits, *, side: int | None = None, threads: int = 0, ahead: int = 0
) -> Iterator[tuple[_Given, Image.Image | BadPicture]]:
    """Yields each source with its picture, or with the BadPicture that says what is wrong, in the given order.

    `threads` 0 takes one for each core, `ahead` 0 twice as many pictures as threads. Closing the iterator early drops
    what has not begun and waits for the pictures that have.
    """
    threads = threads or os.cpu_count() or 1
    coming = iter(sources)
    waiting: deque[tuple[_Given, Future[Image.Image | BadPicture]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="snapfind-decode")
    try:
        for source in islice(coming, ahead or 2 * threads):
            waiting.append((source, pool.submit(_one, source, limits, side)))
        while waiting:
            source, decoded = waiting.popleft()
            found = decoded.result()
            # Only now, with one picture handed out, may the next one begin.
            waiting.extend((after, pool.submit(_one, after, limits, side)) for after in islice(coming, 1))
            del decoded
            yield source, found
    finally:
        pool.shutdown(cancel_futures=True)


def _one(source: Source, limits: Limits, side: int | None) -> Image.Image | BadPicture:
    try:
        return load(source, limits, side=side)
    except BadPicture as error:
        return error
