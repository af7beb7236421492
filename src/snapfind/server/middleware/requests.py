"""The layers around every request, outermost first: trace and headers, foreign pages refused, bodies bounded.

Plain ASGI, because Starlette's BaseHTTPMiddleware costs a task and two queues for each request.
"""

import asyncio
import errno
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse

from snapfind.core.errors import Busy, NoRoom, OutOfMemory, ServerFailed, SnapfindError, TooLarge, is_out_of_memory
from snapfind.server.middleware.gzip_body import is_gzip, unpacked
from snapfind.server.middleware.origin import OPEN, admit, allowed_origins
from snapfind.server.middleware.prefix import normalize_prefix, normalize_scope
from snapfind.server.runtime.queue import BoundedQueue
from snapfind.server.runtime.trace import Trace, new_id
from snapfind.server.schemas.responses import answer_error
from snapfind.server.service import Service

__all__ = ["BodyLimit", "RequestContext"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("snapfind.server")

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}


def _fault(error: Exception) -> SnapfindError:
    """What a caller is told of an error that nobody expected."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return NoRoom("the disk of the server is full; free some space and ask again")
    if is_out_of_memory(error):
        return OutOfMemory("the memory of the server is used up; ask again later, or give the server more")
    return ServerFailed("the server failed; its log has the reason under this request id")


class RequestContext:
    """Lays down the trace, adds the headers, counts, logs what is slow, and turns any fault into the one shape."""

    def __init__(self, app: App, service: Callable[[], Service]) -> None:
        self.app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        service = self._service()
        root = normalize_prefix(service.settings.text("root_path"))
        trace = scope["snapfind.trace"] = Trace(
            new_id(headers.get("x-request-id", "")), root=root, private=service.private
        )
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = MutableHeaders(scope=message)
                own["X-Request-Id"] = trace.request_id
                if asked["path"].startswith("/v1/pictures/") and allowed_origins(service):
                    own["Cross-Origin-Resource-Policy"] = "cross-origin"  # their pages show the pictures
                for name, value in _HEADERS.items():
                    own.setdefault(name, value)
                own.setdefault("Cache-Control", "no-store")
            elif asked["method"] == "HEAD":
                message = {"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)}
            await send(message)

        asked = scope
        service.inside += 1
        try:
            scope = normalize_scope(asked, root)
            if scope["path"] not in _PROBES and service.inside > service.settings.whole("connections"):
                raise Busy("too many requests at once; come back after the time in Retry-After")
            admit(headers, scope, service)
            if root and asked["path"] == root:  # relative links of the page need the slash
                await RedirectResponse(f"{root}/", 307)(scope, receive, sending)
                return
            await self.app(scope, receive, sending)
        except ClientDisconnect:
            log.info("request %s: the caller went away before its body was whole", trace.request_id)
        except SnapfindError as error:
            await self._refuse(error, trace, scope, receive, sending, begun=status)
        except Exception as error:
            log.exception("request %s failed: %s %s", trace.request_id, scope["method"], scope["path"])
            await self._refuse(_fault(error), trace, scope, receive, sending, begun=status)
        finally:
            service.inside -= 1
            self._note(trace, scope, status or 499)

    async def _refuse(
        self, error: SnapfindError, trace: Trace, scope: Scope, receive: Receive, send: Send, *, begun: int
    ) -> None:
        if begun:  # too late for another answer; the connection is cut by the server
            raise error
        await answer_error(error, trace)(scope, receive, send)

    def _note(self, trace: Trace, scope: Scope, status: int) -> None:
        service = self._service()
        trace.route = str(getattr(scope.get("route"), "path", "other"))
        service.metrics.count(trace, scope["method"] if trace.route != "other" else "other", status)
        if trace.total > service.settings.number("slow_query"):
            steps = " ".join(f"{name}={spent:.0f}" for name, spent in trace.steps.items())
            log.warning(
                "slow request %s: %s %s %.0f ms, %s", trace.request_id, scope["method"], trace.route, trace.total, steps
            )


_PROBES = OPEN | {"/metrics"}
_LIMITS = {
    "/v1/imports": "max_import",
    **dict.fromkeys(("/v1/search", "/v1/products", "/v1/regions", "/v1/compare", "/v1/explain", "/"), "max_body"),
}


_ASKING = frozenset({"/v1/search", "/v1/similar", "/v1/regions", "/v1/compare", "/v1/explain"})


class BodyLimit:
    """Refuses a body that is too large, by its Content-Length or as soon as it is, and one that comes too slowly.

    Where no search may wait any more the body is let through unread: reading a form in order to refuse it takes the
    time of those that were accepted.
    """

    def __init__(self, app: App, service: Callable[[], Service]) -> None:
        self.app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        settings = self._service().settings
        name = _LIMITS.get(scope["path"], "max_json")
        most, got, end = settings.whole(name), 0, time.monotonic() + settings.number("timeout")
        whole = False
        headers = Headers(scope=scope)
        told = headers.get("content-length", "0")
        if told.isdigit() and int(told) > most:
            raise _too_large(int(told), most, name)
        if is_gzip(headers.get("content-encoding", "")):
            receive = unpacked(receive)

        async def counting() -> Message:
            nonlocal got, whole
            if whole:
                return await receive()  # waits for the end of the connection
            try:
                message = await asyncio.wait_for(receive(), None if name == "max_import" else end - time.monotonic())
            except TimeoutError:
                raise HTTPException(408, "the body did not come within the time limit") from None
            whole = not message.get("more_body", False)
            got += len(message.get("body", b""))
            if got > most:
                # the framework passes its own exception on while it reads a body, and no other
                raise HTTPException(413, _too_large(got, most, name).message)
            return message

        if scope["path"] in _ASKING:
            await _refuse_if_full(self._service().reading, counting)
        await self.app(scope, counting, send)


async def _refuse_if_full(gate: BoundedQueue, receive: Receive) -> None:
    """Raises Busy once the body is there: an answer before its end would cut the connection."""
    try:
        gate.raise_if_full()
    except Busy:
        with suppress(HTTPException):  # too large or too slow as well
            while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
                pass
        raise


def _too_large(got: int, most: int, name: str) -> TooLarge:
    return TooLarge(f"the body has {got:,} bytes or more; the most is {most:,} ({name})", code="body_too_large")
