"""The one shape of replies and the one shape of errors, on every endpoint and for the framework's own errors too."""

import math
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from snapfind.core.errors import BadRequest, Busy, NotFound, ServerFailed, SnapfindError, TimedOut, TooLarge
from snapfind.server.runtime.trace import Trace, trace_of
from snapfind.server.schemas.products import Given
from snapfind.server.schemas.validation_errors import bad_request

__all__ = ["ERRORS", "ErrorReply", "Reply", "answer_error", "handle_errors", "reply"]


class Reply(BaseModel):
    """What every reply has: an id to quote when asking about it, and milliseconds per step."""

    request_id: str = Field(examples=["9f86d081884c7d65"])
    timings: dict[str, float] = Field(description="milliseconds per step, and `total`", examples=[{"total": 12.5}])


class Problem(BaseModel):
    """`code` is for programs and stable, `message` is one sentence for people, `field` names the input."""

    code: str = Field(examples=["picture_broken"])
    message: str
    field: str | None = None
    help: str = Field(description="where this code is explained", examples=["/v1/errors#picture_broken"])


class ErrorReply(Reply):
    """What went wrong."""

    error: Problem


def _described(status: int, said: str) -> dict[str, Any]:
    return {"model": ErrorReply, "description": said}


# The errors that any endpoint may answer with, for the OpenAPI document.
ERRORS: dict[int | str, dict[str, Any]] = {
    400: _described(400, "what was given cannot be used"),
    401: _described(401, "no key, or one that is not known"),
    403: _described(403, "the key may not do this, a page of another site asks, or the server only reads"),
    404: _described(404, "there is no such thing"),
    405: _described(405, "the path exists, the method does not"),
    408: _described(408, "the body came too slowly"),
    409: _described(409, "it contradicts what was asked before"),
    413: _described(413, "more bytes or items than the limits"),
    415: _described(415, "the body is compressed in a way that is not taken"),
    422: _described(422, "the request does not fit the API"),
    429: _described(429, "too many requests; see the header Retry-After"),
    500: _described(500, "a fault of the server; its log has the reason under the request id"),
    503: _described(503, "the server is starting or stopping"),
    504: _described(504, "it took longer than the time limit"),
    507: _described(507, "the disk is full"),
}

R = TypeVar("R", bound=Reply)


def reply(trace: Trace, shape: type[R], **fields: Any) -> R:
    """A reply of that shape with the id and the timings of its request."""
    return shape(request_id=trace.request_id, timings=trace.timings(), **fields)


def error_body(error: SnapfindError, trace: Trace) -> bytes:
    """The one shape of errors, as JSON."""
    problem = Problem(
        code=error.code,
        message=_sendable(trace.private(error.message)),
        field=None if error.field is None else _sendable(error.field),
        help=f"{trace.root}/v1/errors#{error.code}",
    )
    return reply(trace, ErrorReply, error=problem).model_dump_json().encode()


def _sendable(text: str) -> str:
    """Half a character of the input becomes a question mark: an answer about it must not fail for it."""
    return text.encode("utf-8", "replace").decode()


def error_headers(error: SnapfindError) -> dict[str, str]:
    """Retry-After where the caller should come back, WWW-Authenticate where a key is wanted."""
    if isinstance(error, Busy):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after)))}
    return {"WWW-Authenticate": 'Bearer realm="snapfind"'} if error.http_status == HTTPStatus.UNAUTHORIZED else {}


def handle_errors(app: FastAPI) -> None:
    """Answer every error, the framework's too, in the one shape."""
    app.add_exception_handler(SnapfindError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework)


def answer_error(error: SnapfindError, trace: Trace) -> Response:
    """An error as a response."""
    return Response(error_body(error, trace), error.http_status, error_headers(error), "application/json")


def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, SnapfindError)
    return answer_error(error, trace_of(request))


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, (RequestValidationError, ValidationError))
    return answer_error(bad_request(error, _shape_of(request, error)), trace_of(request))


def _shape_of(request: Request, error: RequestValidationError | ValidationError) -> Any:
    """The shape of the body that was wrong: the framework's of the route, or that of a body read by hand."""
    if isinstance(error, ValidationError):
        return next((shape for shape in Given.__subclasses__() if shape.__name__ == error.title), None)
    field = getattr(request.scope.get("route"), "body_field", None)
    return field.field_info.annotation if field else None


def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    trace, path = trace_of(request), request.url.path[:100]
    known: SnapfindError
    # the page is mounted at / and takes every GET, so what is there for other methods only comes here as a 404
    elsewhere = any(route.matches(request.scope)[0] is Match.PARTIAL for route in request.app.routes)
    match 405 if error.status_code == 404 and elsewhere else error.status_code:
        case 404:
            known = NotFound(f"there is nothing at {path}; see /docs")
        case 405:
            known = BadRequest(f"{request.method} is not a method of {path}", code="method_wrong")
            known.http_status = 405
        case 408:
            known = TimedOut(str(error.detail))
            known.http_status = 408
        case 413:
            known = TooLarge(str(error.detail), code="body_too_large")
        case status if status < 500:
            known = BadRequest(str(error.detail))
            known.http_status = 400
        case _:
            known = ServerFailed("the server failed; quote the request id")
    response = answer_error(known, trace)
    response.headers.update(error.headers or {})
    return response
