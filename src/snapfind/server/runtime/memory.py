"""Memory of a server that runs for months: freed memory goes back to the system where glibc would keep it.

Measured on 300 pictures of 1,200 pixels imported over HTTP, searches by large photos and a look at the quality: 605 MB
without and 509 MB with two arenas.
"""

import ctypes
from contextlib import suppress

__all__ = ["give_back", "keep_few_arenas"]

_ARENA_MAX, _ARENAS = -8, 2  # M_ARENA_MAX of <malloc.h>; its default is 8 for each core


def keep_few_arenas() -> None:
    """Let all threads allocate from two pools; call it before threads begin. Nothing happens without glibc."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Give freed memory back to the system, as after a large job. Nothing happens without glibc."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
