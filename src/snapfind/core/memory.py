"""Memory that this process may still allocate within a limit such as `ulimit -v`."""

import sys
from pathlib import Path

__all__ = ["free_address_space"]


def free_address_space() -> int | None:
    """Return the free address space in bytes under RLIMIT_AS. None: there is no limit, or it cannot be read."""
    if sys.platform != "linux":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        return None
    return max(0, limit - pages * resource.getpagesize())
