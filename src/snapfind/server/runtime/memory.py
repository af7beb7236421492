"""Return freed memory of glibc to the system, for long-running servers.

Measured with 300 pictures of 1,200 pixels imported over HTTP, searches by large photos and a check of the catalog:
605 MB by default, 509 MB with two arenas.
"""

import ctypes
from contextlib import suppress

__all__ = ["limit_arenas", "release_memory"]

_ARENA_MAX, _ARENAS = -8, 2  # M_ARENA_MAX of <malloc.h>; the default is 8 per core


def limit_arenas() -> None:
    """Limit glibc to two memory arenas. Call it before threads start. Without glibc it has no effect."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)


def release_memory() -> None:
    """Return freed memory to the system, e.g. after a large job. Without glibc it has no effect."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
