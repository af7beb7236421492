"""A port that is known before anyone listens on it, and that nobody else can take meanwhile."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["held"]


@contextmanager
def held() -> Iterator[int]:
    """A free port of 127.0.0.1, this process's while the block runs.

    Its socket is bound and never listens. So the kernel gives the port to nobody who asks for any, who connects is
    refused, and a server that sets SO_REUSEADDR, as most do, may listen on it, stop, and listen again (socket(7)).
    """
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
