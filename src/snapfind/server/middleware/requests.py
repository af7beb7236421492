"""Outermost middleware: request id, security headers, origin check, metrics, and the JSON format of every error.

Plain ASGI, because Starlette's BaseHTTPMiddleware costs a task and two queues for each request.
"""

import errno
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse

from snapfind.core.errors import Busy, NoRoom, OutOfMemory, ServerFailed, SnapfindError, is_out_of_memory
from snapfind.server.middleware.origin import OPEN, admit, allowed_origins
from snapfind.server.middleware.prefix import normalize_prefix, normalize_scope
from snapfind.server.runtime.trace import Trace, new_id
from snapfind.server.schemas.responses import answer_error
from snapfind.server.service import Service

__all__ = ["RequestContext"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("snapfind.server")

_PROBES = OPEN | {"/metrics"}  # never rejected for load

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


def _public_error(error: Exception) -> SnapfindError:
    """Return the error that a caller sees for an unexpected exception."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return NoRoom("the disk of the server is full; free some space and retry")
    if is_out_of_memory(error):
        return OutOfMemory("the server is out of memory; retry later, or give the server more memory")
    return ServerFailed("internal error; the log of the server has the reason under this request id")


class RequestContext:
    """Middleware that adds request id and headers, checks origin and load, counts, and formats errors.

    Args:
        app: The inner application.
        service: Returns the service.
    """

    def __init__(self, app: App, service: Callable[[], Service]) -> None:
        self.app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
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

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = MutableHeaders(scope=message)
                own["X-Request-Id"] = trace.request_id
                if original["path"].startswith("/v1/pictures/") and allowed_origins(service):
                    own["Cross-Origin-Resource-Policy"] = "cross-origin"  # their pages show the pictures
                for name, value in _HEADERS.items():
                    own.setdefault(name, value)
                own.setdefault("Cache-Control", "no-store")
            elif original["method"] == "HEAD":
                message = {"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)}
            await send(message)

        original = scope
        service.inside += 1
        try:
            scope = normalize_scope(original, root)
            if scope["path"] not in _PROBES and service.inside > service.settings.whole("connections"):
                raise Busy("too many concurrent requests; retry after the time in Retry-After")
            admit(headers, scope, service)
            if root and original["path"] == root:  # relative links of the page need the slash
                await RedirectResponse(f"{root}/", 307)(scope, receive, send_with_headers)
                return
            await self.app(scope, receive, send_with_headers)
        except ClientDisconnect:
            log.info("request %s: the client disconnected before its body was complete", trace.request_id)
        except SnapfindError as error:
            await self._refuse(error, trace, scope, receive, send_with_headers, started=status)
        except Exception as error:
            log.exception("request %s failed: %s %s", trace.request_id, scope["method"], scope["path"])
            await self._refuse(_public_error(error), trace, scope, receive, send_with_headers, started=status)
        finally:
            service.inside -= 1
            self._record(trace, scope, status or 499)

    async def _refuse(
        self, error: SnapfindError, trace: Trace, scope: Scope, receive: Receive, send: Send, *, started: int
    ) -> None:
        if started:  # too late for another response; the server closes the connection
            raise error
        await answer_error(error, trace)(scope, receive, send)

    def _record(self, trace: Trace, scope: Scope, status: int) -> None:
        service = self._service()
        trace.route = str(getattr(scope.get("route"), "path", "other"))
        service.metrics.count(trace, scope["method"] if trace.route != "other" else "other", status)
        if trace.total > service.settings.number("slow_query"):
            steps = " ".join(f"{name}={milliseconds:.0f}" for name, milliseconds in trace.steps.items())
            log.warning(
                "slow request %s: %s %s %.0f ms, %s", trace.request_id, scope["method"], trace.route, trace.total, steps
            )
