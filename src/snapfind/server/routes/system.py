"""What the server says about itself: info, facets, health, readiness, metrics, codes of errors."""

import inspect
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from snapfind.core import errors as tree
from snapfind.core.errors import NotReady
from snapfind.core.types import Kind
from snapfind.server.keys import SCOPES
from snapfind.server.middleware.auth import needs
from snapfind.server.routes.search import FacetCount
from snapfind.server.runtime.trace import Trace
from snapfind.server.schemas.responses import ERRORS, Reply, reply
from snapfind.server.service import Now, Service, Serving

__all__ = ["open_router", "router"]

router = APIRouter(prefix="/v1", tags=["catalogue"], dependencies=[needs("search")], responses=ERRORS)
open_router = APIRouter(tags=["health"], responses={code: ERRORS[code] for code in (405, 500, 503)})


class InfoReply(Reply):
    """What the catalogue holds."""

    products: int
    pictures: int
    model: str = Field(description="the model that answers")
    fields: dict[str, Kind] = Field(description="what filters and facets may name, with its kind")
    bytes: int
    created: str
    version: str
    read_only: bool = Field(description="another process owns the catalogue; what changes it is refused here")
    scopes: list[str] = Field(description="what the caller may do: search, write, admin")
    limits: dict[str, float] = Field(description="the settings that bound requests")


class FacetReply(Reply):
    """Values of a field, most frequent first."""

    values: list[FacetCount]


class HealthReply(Reply):
    """The process answers."""

    status: str


class ErrorCode(BaseModel):
    """One of the errors of docs/reference/errors.md."""

    name: str
    code: str
    status: int
    when: str


class ErrorCodesReply(Reply):
    """The tree of errors."""

    errors: list[ErrorCode]


_LIMITS = ["limit", "max_limit", "max_bytes", "max_pixels", "max_side", "max_filter", "max_text", "max_depth"]
_LIMITS += ["max_body", "max_import", "max_likes", "max_products", "max_pictures", "max_events"]


@router.get("/info", response_model=InfoReply)
async def info(service: Serving, trace: Now) -> InfoReply:
    """Counts, the model that answers, the fields with their kinds, the limits.

    ```sh
    curl http://127.0.0.1:8000/v1/info
    ```
    """
    found = await service.reading.run(trace, service.shop.info)
    known: dict[str, Any] = {
        name: found[name] for name in ("products", "pictures", "model", "bytes", "created", "version")
    }
    limits = {name: service.settings.number(name) for name in _LIMITS}
    return reply(
        trace,
        InfoReply,
        fields=found["schema"],
        read_only=service.reads_only,
        scopes=_scopes(service, trace),
        limits=limits,
        **known,
    )


def _scopes(service: Service, trace: Trace) -> list[str]:
    """Those of the caller's key; all where no key is needed."""
    key = service.keys.keys().get(trace.caller)
    return [scope for scope in SCOPES if trace.caller == "" or (key is not None and key.may(scope))]


@router.get("/facets/{field}", response_model=FacetReply)
async def facets(
    service: Serving,
    trace: Now,
    field: Annotated[str, Path(max_length=64)],
    filter: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> FacetReply:
    """The values of a field and the number of products that have each, such as all categories.

    ```sh
    curl http://127.0.0.1:8000/v1/facets/category
    ```
    """
    found = await service.reading.run(trace, lambda: service.shop.facets(field, filter=filter or None, limit=limit))
    return reply(trace, FacetReply, values=[FacetCount(value=value, count=count) for value, count in found])


@open_router.get("/healthz", response_model=HealthReply)
async def healthz(trace: Now) -> HealthReply:
    """The process is alive."""
    return reply(trace, HealthReply, status="alive")


@open_router.get("/readyz", response_model=HealthReply)
async def readyz(service: Serving, trace: Now) -> HealthReply:
    """A real query has passed and the server takes requests; 503 before and while it stops."""
    if service.stopping.is_set():
        raise NotReady("the server is stopping")
    if not service.ready.is_set():
        raise NotReady("the server is starting: its first query has not passed yet")
    return reply(trace, HealthReply, status="ready")


@open_router.get("/v1/errors", response_model=ErrorCodesReply)
async def errors(trace: Now) -> ErrorCodesReply:
    """Every error with its code, its status and when it comes."""
    known = [getattr(tree, name) for name in tree.__all__]
    told = [
        ErrorCode(
            name=error.__name__, code=error.code, status=error.http_status, when=inspect.cleandoc(error.__doc__ or "")
        )
        for error in known
    ]
    return reply(trace, ErrorCodesReply, errors=told)
