"""The application: its endpoints, its layers, and what happens when it starts and stops."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from snapfind._version import __version__
from snapfind.catalog.catalog import Catalog
from snapfind.catalog.replica import Replica
from snapfind.server.compat import alibaba
from snapfind.server.middleware.auth import needs
from snapfind.server.middleware.origin import allowed_origins
from snapfind.server.middleware.prefix import normalize_prefix
from snapfind.server.middleware.requests import BodyLimit, RequestContext
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

__all__ = ["build", "routes"]

_PAGE = Path(__file__).parent / "web"


def build(catalog: Catalog | Replica, *, needs_key: bool = False, compat: str = "") -> FastAPI:
    """The application over an open catalog, which it closes when it stops; over a replica it refuses what changes.

    `needs_key` asks for a key even while the catalog has none: for a server that others can reach.
    `compat="imagesearch"` also answers as Alibaba Cloud Image Search does.
    """
    service = Service(catalog, needs_key=needs_key)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(service.start)
        yield
        await run_in_threadpool(service.close)

    app = FastAPI(
        title="snapfind",
        version=__version__,
        summary="Snap it, find it: a shopper's photo finds the product in your catalog.",
        lifespan=life,
        docs_url=None,  # its page loads scripts from a foreign host; web/docs.html does not
        redoc_url=None,
        separate_input_output_schemas=False,
        servers=[{"url": root}] if (root := normalize_prefix(service.settings.text("root_path"))) else None,
    )
    app.state.service = service
    routes(app)
    app.add_api_route("/metrics", _metrics, include_in_schema=False, dependencies=[needs("admin")])
    if compat == "imagesearch":
        alibaba.mount(app, service)
    app.add_api_route("/docs", _docs, include_in_schema=False)
    app.mount("/", StaticFiles(directory=_PAGE, html=True), name="page")
    handle_errors(app)
    app.add_middleware(BodyLimit, service=lambda: service)
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


def routes(app: FastAPI) -> None:
    """The endpoints of the API and their document; it needs no catalog."""
    for noun in (search, images, products, thumbnails, events, imports, jobs, models, quality, flywheel, system):
        app.include_router(noun.router)
    app.include_router(system.open_router)
    describe(app)


async def _docs() -> Response:
    return FileResponse(_PAGE / "docs.html")


async def _metrics(request: Request) -> Response:
    service: Service = request.app.state.service
    return Response(service.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")
