"""Middleware that bounds request bodies in bytes and time, and sheds load before a body is parsed.

The limits of an endpoint are declared on it (server/endpoint.py).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from snapfind.core.errors import Busy, TooLarge
from snapfind.server.endpoint import LimitTable
from snapfind.server.middleware.gzip_body import decompress, is_gzip
from snapfind.server.runtime.queue import BoundedQueue
from snapfind.server.service import Service

__all__ = ["BodyLimit"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class BodyLimit:
    """Middleware that rejects bodies that are too large or too slow.

    A body is rejected by its Content-Length, or as soon as it exceeds the limit. If the read queue is full, requests to
    endpoints that shed load are rejected without parsing the body: parsing a form would take time from accepted
    requests.

    Args:
        app: The inner application.
        service: Returns the service.
        table: Returns the limits of the endpoints.
    """

    def __init__(self, app: App, service: Callable[[], Service], table: Callable[[], LimitTable]) -> None:
        self.app, self._service, self._table = app, service, table

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Bound the body of a request and pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        service, own = self._service(), self._table().find(scope)
        limit = own.body if isinstance(own.body, int) else service.settings.whole(own.body)
        name = "the limit of this endpoint" if isinstance(own.body, int) else own.body
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > limit:
            raise _too_large(int(length), limit, name)
        if is_gzip(headers.get("content-encoding", "")):
            receive = decompress(receive)
        bounded = _bounded(receive, limit, name, service.settings.number("timeout") if own.timed else None)
        if own.sheds_load:
            await _raise_if_full(service.reading, bounded)
        await self.app(scope, bounded, send)


def _bounded(receive: Receive, limit: int, name: str, timeout: float | None) -> Receive:
    """Wrap the function that receives the body."""
    size, complete = 0, False
    end = None if timeout is None else time.monotonic() + timeout

    async def receive_bounded() -> Message:
        nonlocal size, complete
        if complete:
            return await receive()  # waits for the end of the connection
        try:
            message = await asyncio.wait_for(receive(), None if end is None else end - time.monotonic())
        except TimeoutError:
            raise HTTPException(408, "the body did not arrive within the time limit") from None
        complete = not message.get("more_body", False)
        size += len(message.get("body", b""))
        if size > limit:
            # while the framework reads a body, it passes on no other exception than its own
            raise HTTPException(413, _too_large(size, limit, name).message)
        return message

    return receive_bounded


async def _raise_if_full(queue: BoundedQueue, receive: Receive) -> None:
    """Raise Busy after the body was received: an earlier response would cut the connection."""
    try:
        queue.raise_if_full()
    except Busy:
        with suppress(HTTPException):  # too large or too slow as well
            while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
                pass
        raise


def _too_large(size: int, limit: int, name: str) -> TooLarge:
    return TooLarge(f"the body has {size:,} bytes or more; the maximum is {limit:,} ({name})", code="body_too_large")
