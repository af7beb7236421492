"""The OpenAPI document, with bodies that endpoints parse themselves and without error schemas of the framework."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

__all__ = ["describe"]


def describe(app: FastAPI, bodies: Iterable[type[BaseModel]]) -> None:
    """Set the OpenAPI document of an application. It is built at the first request.

    Args:
        app: The application.
        bodies: Models of bodies that endpoints parse themselves.
    """
    document: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not document:
            document.update(_document(app, bodies))
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI, bodies: Iterable[type[BaseModel]]) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, summary=app.summary, routes=app.routes, servers=app.servers
    )
    schemas = document["components"]["schemas"]
    for body in bodies:
        schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[body.__name__] = schema
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return document
