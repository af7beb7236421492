"""Common fields of replies, and the JSON format of errors, including those of the framework."""

import math
from collections.abc import Iterator
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
from snapfind.server.schemas.products import RequestBody
from snapfind.server.schemas.validation_errors import bad_request

__all__ = ["ERRORS", "ErrorReply", "Reply", "answer_error", "handle_errors", "reply"]


class Reply(BaseModel):
    """Common fields of all replies: request id and timings."""

    request_id: str = Field(examples=["9f86d081884c7d65"])
    timings: dict[str, float] = Field(description="milliseconds per step, and `total`", examples=[{"total": 12.5}])


class Problem(BaseModel):
    """An error: `code` is stable and for programs, `message` is for people, `field` names the invalid input."""

    code: str = Field(examples=["picture_broken"])
    message: str
    field: str | None = None
    help: str = Field(description="URL of the explanation of this code", examples=["/v1/errors#picture_broken"])


class ErrorReply(Reply):
    """Reply of a failed request."""

    error: Problem


def _error_response(description: str) -> dict[str, Any]:
    return {"model": ErrorReply, "description": description}


# errors that any endpoint can return, for the OpenAPI document
ERRORS: dict[int | str, dict[str, Any]] = {
    400: _error_response("the input is invalid"),
    401: _error_response("missing or unknown API key"),
    403: _error_response("missing scope, cross-origin request, or read-only server"),
    404: _error_response("not found"),
    405: _error_response("method not allowed"),
    408: _error_response("timeout while reading the body"),
    409: _error_response("conflict with an earlier request"),
    413: _error_response("more bytes or items than the limits allow"),
    415: _error_response("unsupported Content-Encoding"),
    422: _error_response("the request does not match the API schema"),
    429: _error_response("too many requests; see the header Retry-After"),
    500: _error_response("internal error; the log of the server has the reason under the request id"),
    503: _error_response("the server is starting or stopping"),
    504: _error_response("time limit exceeded"),
    507: _error_response("the disk is full"),
}

R = TypeVar("R", bound=Reply)


def reply(trace: Trace, schema: type[R], **fields: Any) -> R:
    """Build a reply with the id and the timings of its request."""
    return schema(request_id=trace.request_id, timings=trace.timings(), **fields)


def error_body(error: SnapfindError, trace: Trace) -> bytes:
    """Convert an error to JSON."""
    problem = Problem(
        code=error.code,
        message=_encodable(trace.private(error.message)),
        field=None if error.field is None else _encodable(error.field),
        help=f"{trace.root}/v1/errors#{error.code}",
    )
    return reply(trace, ErrorReply, error=problem).model_dump_json().encode()


def _encodable(text: str) -> str:
    """Replace lone surrogates of the input, which cannot be encoded, by question marks."""
    return text.encode("utf-8", "replace").decode()


def error_headers(error: SnapfindError) -> dict[str, str]:
    """Return Retry-After for status 429, WWW-Authenticate for 401."""
    if isinstance(error, Busy):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after)))}
    return {"WWW-Authenticate": 'Bearer realm="snapfind"'} if error.http_status == HTTPStatus.UNAUTHORIZED else {}


def handle_errors(app: FastAPI) -> None:
    """Register handlers that convert all errors, including those of the framework, to ErrorReply."""
    app.add_exception_handler(SnapfindError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework)


def answer_error(error: SnapfindError, trace: Trace) -> Response:
    """Convert an error to a response."""
    return Response(error_body(error, trace), error.http_status, error_headers(error), "application/json")


def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, SnapfindError)
    return answer_error(error, trace_of(request))


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, (RequestValidationError, ValidationError))
    return answer_error(bad_request(error, _body_schema(request, error)), trace_of(request))


def _subclasses(base: type[RequestBody]) -> Iterator[type[RequestBody]]:
    for shape in base.__subclasses__():
        yield shape
        yield from _subclasses(shape)


def _body_schema(request: Request, error: RequestValidationError | ValidationError) -> Any:
    """Find the schema of the invalid body: that of the route, or of a body that the route parses itself."""
    if isinstance(error, ValidationError):
        return next((schema for schema in _subclasses(RequestBody) if schema.__name__ == error.title), None)
    field = getattr(request.scope.get("route"), "body_field", None)
    return field.field_info.annotation if field else None


def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    trace, path = trace_of(request), request.url.path[:100]
    known: SnapfindError
    # static files are mounted at / and handle every GET, so a wrong method arrives here as 404
    has_other_methods = any(route.matches(request.scope)[0] is Match.PARTIAL for route in request.app.routes)
    match 405 if error.status_code == 404 and has_other_methods else error.status_code:
        case 404:
            known = NotFound(f"no such path: {path}; see /docs")
        case 405:
            known = BadRequest(f"method {request.method} is not allowed for {path}", code="method_wrong")
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
            known = ServerFailed("internal error of the server; its log has the reason under the request id")
    response = answer_error(known, trace)
    response.headers.update(error.headers or {})
    return response
