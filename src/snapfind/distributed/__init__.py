"""Adding by many workers: pictures are read, decoded and encoded on a Ray cluster, one process writes (extra `ray`)."""

from snapfind.distributed.add import add

__all__ = ["add"]
