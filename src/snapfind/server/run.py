"""Server process: listen on an address and serve a catalog until a signal."""

import logging
import socket
from pathlib import Path

import uvicorn

from snapfind.catalog.catalog import Catalog
from snapfind.catalog.replica import Replica
from snapfind.core.errors import BadSetting
from snapfind.server.app import build
from snapfind.server.keys import KeyStore
from snapfind.server.middleware.origin import is_loopback

__all__ = ["listen", "serve"]

_BACKLOG = 128


def listen(host: str, port: int, shop: Path) -> socket.socket:
    """Open a listening socket.

    Args:
        host: Address.
        port: Port, 0 for a free one.
        shop: The catalog folder.

    Returns:
        The socket.

    Raises:
        BadSetting: Other machines can reach the address and the catalog has no key, or the address is not available.
    """
    if not is_loopback(host) and not KeyStore(shop).keys():
        raise BadSetting(
            f"{host} can be reached from other machines and {shop} has no key; create one first: "
            f"snapfind key create {shop} --scope search"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns off Nagle's algorithm (40 ms per reply) only if the protocol is given
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise BadSetting(f"cannot listen on {host}:{port} ({error.strerror}); give another --host or --port") from error
    return listener


def serve(catalog: Catalog | Replica, listener: socket.socket, compat: str = "") -> None:
    """Serve a catalog until SIGTERM or Ctrl-C. Running requests are finished, then the catalog is closed.

    Args:
        catalog: The catalog or replica.
        listener: Socket of `listen`.
        compat: "imagesearch" adds the API of Alibaba Cloud Image Search.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every request to index servers
    host = listener.getsockname()[0]
    app = build(catalog, needs_key=not is_loopback(host), compat=compat)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing depends on the address of the client
        timeout_keep_alive=30,
        timeout_graceful_shutdown=round(catalog.settings.number("grace")),
        h11_max_incomplete_event_size=64 * 1024,
    )
    uvicorn.Server(config).run(sockets=[listener])
