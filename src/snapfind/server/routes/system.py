"""Routes for info, facets, health, readiness and error codes."""

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

router = APIRouter(prefix="/v1", tags=["catalog"], dependencies=[needs("search")], responses=ERRORS)
open_router = APIRouter(tags=["health"], responses={code: ERRORS[code] for code in (405, 500, 503)})


class InfoReply(Reply):
    """Information about the catalog."""

    products: int
    pictures: int
    model: str = Field(description="the active model")
    fields: dict[str, Kind] = Field(description="fields for filters and facets, with their types")
    bytes: int
    created: str
    version: str
    read_only: bool = Field(description="this server is a read replica; writes are rejected")
    scopes: list[str] = Field(description="scopes of the caller: search, write, admin")
    limits: dict[str, float] = Field(description="settings that limit requests")


class FacetReply(Reply):
    """Values of a field, the most frequent first."""

    values: list[FacetCount]


class HealthReply(Reply):
    """Health of the process."""

    status: str


class ErrorCode(BaseModel):
    """An error of docs/reference/errors.md."""

    name: str
    code: str
    status: int
    when: str


class ErrorCodesReply(Reply):
    """All errors."""

    errors: list[ErrorCode]


_LIMITS = ["limit", "max_limit", "max_bytes", "max_pixels", "max_side", "max_filter", "max_text", "max_depth"]
_LIMITS += ["max_body", "max_import", "max_terms", "max_products", "max_pictures", "max_events"]


@router.get("/info", response_model=InfoReply)
async def info(service: Serving, trace: Now) -> InfoReply:
    """Get counts, active model, fields with their types, and limits.

    ```sh
    curl http://127.0.0.1:8000/v1/info
    ```
    """
    info = await service.reading.run(trace, service.shop.info)
    fields: dict[str, Any] = {
        name: info[name] for name in ("products", "pictures", "model", "bytes", "created", "version")
    }
    limits = {name: service.settings.number(name) for name in _LIMITS}
    return reply(
        trace,
        InfoReply,
        fields=info["schema"],
        read_only=service.reads_only,
        scopes=_scopes(service, trace),
        limits=limits,
        **fields,
    )


def _scopes(service: Service, trace: Trace) -> list[str]:
    """Return the scopes of the caller's key, or all scopes if no key is required."""
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
    """Count the products of each value of a field, such as all categories.

    ```sh
    curl http://127.0.0.1:8000/v1/facets/category
    ```
    """
    counts = await service.reading.run(trace, lambda: service.shop.facets(field, filter=filter or None, limit=limit))
    return reply(trace, FacetReply, values=[FacetCount(value=value, count=count) for value, count in counts])


@open_router.get("/healthz", response_model=HealthReply)
async def healthz(trace: Now) -> HealthReply:
    """Check that the process is alive."""
    return reply(trace, HealthReply, status="alive")


@open_router.get("/readyz", response_model=HealthReply)
async def readyz(service: Serving, trace: Now) -> HealthReply:
    """Check that the server is ready: a test query has succeeded. 503 during startup and shutdown."""
    if service.stopping.is_set():
        raise NotReady("the server is stopping")
    if not service.ready.is_set():
        raise NotReady("the server is starting; retry later")
    return reply(trace, HealthReply, status="ready")


@open_router.get("/v1/errors", response_model=ErrorCodesReply)
async def errors(trace: Now) -> ErrorCodesReply:
    """List all errors with code, HTTP status and meaning."""
    classes = [getattr(tree, name) for name in tree.__all__]
    codes = [
        ErrorCode(
            name=error.__name__, code=error.code, status=error.http_status, when=inspect.cleandoc(error.__doc__ or "")
        )
        for error in classes
    ]
    return reply(trace, ErrorCodesReply, errors=codes)
