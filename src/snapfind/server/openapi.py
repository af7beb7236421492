"""The OpenAPI document, made true where the framework leaves gaps: bodies read by hand, and its own error shape."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from snapfind.server.routes.images import CompareBody, ExplainBody, PhotoBody
from snapfind.server.routes.products import ProductsBody
from snapfind.server.schemas.search import SearchBody

__all__ = ["describe"]

_BY_HAND: tuple[type[BaseModel], ...] = (SearchBody, ProductsBody, PhotoBody, CompareBody, ExplainBody)


def describe(app: FastAPI) -> None:
    """Let `/openapi.json` be the document below; made once."""
    made: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not made:
            made.update(_document(app))
        return made

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, summary=app.summary, routes=app.routes, servers=app.servers
    )
    schemas = document["components"]["schemas"]
    for body in _BY_HAND:
        schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[body.__name__] = schema
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return document
