"""The application: routers, middleware, start and stop."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from snapfind._version import __version__
from snapfind.catalog.catalog import Catalog
from snapfind.catalog.replica import Replica
from snapfind.server.compat import alibaba
from snapfind.server.endpoint import LimitTable
from snapfind.server.middleware.auth import needs
from snapfind.server.middleware.body_limit import BodyLimit
from snapfind.server.middleware.origin import allowed_origins
from snapfind.server.middleware.prefix import normalize_prefix
from snapfind.server.middleware.requests import RequestContext
from snapfind.server.openapi import describe
from snapfind.server.routes import (
    events,
    flywheel,
    images,
    imports,
    jobs,
    models,
    products,
    quality,
    search,
    system,
    thumbnails,
)
from snapfind.server.schemas.responses import handle_errors
from snapfind.server.service import Service

__all__ = ["ROUTERS", "add_routers", "build"]

_PAGE = Path(__file__).parent / "web"
ROUTERS: tuple[APIRouter, ...] = (
    search.router,
    images.router,
    products.router,
    thumbnails.router,
    events.router,
    imports.router,
    jobs.router,
    models.router,
    quality.router,
    flywheel.router,
    system.router,
    system.open_router,
)


def build(
    catalog: Catalog | Replica, *, needs_key: bool = False, compat: str = "", routers: Sequence[APIRouter] = ()
) -> FastAPI:
    """Build the application that serves a catalog.

    Args:
        catalog: Open catalog, or a replica, which rejects writes. The application closes it when it stops.
        needs_key: Whether an API key is required even if the catalog has none. Use it if others can reach the server.
        compat: "imagesearch" adds the API of Alibaba Cloud Image Search.
        routers: Additional endpoints, see docs/contributing/extending-endpoint.md.

    Returns:
        The application.
    """
    service = Service(catalog, needs_key=needs_key)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(service.start)
        yield
        await run_in_threadpool(service.close)

    app = FastAPI(
        title="snapfind",
        version=__version__,
        summary="Snap it, find it: a shopper's photo finds the product in your catalog.",
        lifespan=lifespan,
        docs_url=None,  # loads scripts from another host; web/docs.html does not
        redoc_url=None,
        separate_input_output_schemas=False,
        servers=[{"url": root}] if (root := normalize_prefix(service.settings.text("root_path"))) else None,
    )
    app.state.service = service
    own_routers = (*ROUTERS, *routers)
    add_routers(app, own_routers)
    app.add_api_route("/metrics", _metrics, include_in_schema=False, dependencies=[needs("admin")])
    if compat == "imagesearch":
        alibaba.mount(app, service)
    app.add_api_route("/docs", _docs, include_in_schema=False)
    app.mount("/", StaticFiles(directory=_PAGE, html=True), name="page")
    handle_errors(app)
    table = LimitTable([*app.routes, *(route for router in own_routers for route in router.routes)])
    app.add_middleware(BodyLimit, service=lambda: service, table=lambda: table)
    app.add_middleware(RequestContext, service=lambda: service)
    if origins := allowed_origins(service):  # outermost: a browser asks for permission without a key
        app.add_middleware(
            CORSMiddleware,
            allow_origins=sorted(origins),
            allow_methods=["*"],
            allow_headers=["Authorization", "Content-Type", "If-None-Match"],
            expose_headers=["X-Request-Id", "Retry-After", "ETag"],
        )
    return app


def add_routers(app: FastAPI, routers: Sequence[APIRouter] = ROUTERS) -> None:
    """Add endpoints and their OpenAPI document to an application. It needs no catalog.

    Args:
        app: The application.
        routers: The endpoints.
    """
    for router in routers:
        app.include_router(router)
    describe(app, LimitTable(route for router in routers for route in router.routes).schemas())


async def _docs() -> Response:
    return FileResponse(_PAGE / "docs.html")


async def _metrics(request: Request) -> Response:
    service: Service = request.app.state.service
    return Response(service.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")
