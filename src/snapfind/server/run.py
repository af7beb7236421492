"""One process that serves a catalog: where it listens, who may reach it, and how it stops."""

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
    """A socket on that address; port 0 takes a free one.

    Raises BadSetting for an address that others can reach while the catalog has no key, or that cannot be had.
    """
    if not is_loopback(host) and not KeyStore(shop).keys():
        raise BadSetting(
            f"{host} can be reached from other machines and {shop} has no key; make one first: "
            f"snapfind key create {shop} --scope search"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay off (40 ms a reply) only where the protocol is named
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
        opened.listen(_BACKLOG)
    except OSError as error:
        opened.close()
        raise BadSetting(f"cannot listen on {host}:{port} ({error.strerror}); give another --host or --port") from error
    return opened


def serve(catalog: Catalog | Replica, opened: socket.socket, compat: str = "") -> None:
    """Serve a catalog until SIGTERM or Ctrl-C; requests that were taken are finished first, then it is closed."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # else a line for every request to index servers
    host = opened.getsockname()[0]
    app = build(catalog, needs_key=not is_loopback(host), compat=compat)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here depends on the address of the caller
        timeout_keep_alive=30,
        timeout_graceful_shutdown=round(catalog.settings.number("grace")),
        h11_max_incomplete_event_size=64 * 1024,
    )
    uvicorn.Server(config).run(sockets=[opened])
