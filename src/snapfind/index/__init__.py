"""Indexes: stored embeddings and payloads, filters, and nearest-neighbor search."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snapfind.index.base import Ask, Found, Index, Page, Point, Where
    from snapfind.index.hnsw_config import HnswConfig
    from snapfind.index.html_text import plain_line, plain_text
    from snapfind.index.payload import picture_of, point_id, product_of, to_payload, words_of
    from snapfind.index.reference import ReferenceIndex

__all__ = [
    "Ask",
    "Found",
    "HnswConfig",
    "Index",
    "Page",
    "Point",
    "ReferenceIndex",
    "Where",
    "picture_of",
    "plain_line",
    "plain_text",
    "point_id",
    "product_of",
    "to_payload",
    "words_of",
]

_MODULES = {
    "Ask": "base",
    "Found": "base",
    "HnswConfig": "hnsw_config",
    "Index": "base",
    "Page": "base",
    "Point": "base",
    "ReferenceIndex": "reference",
    "Where": "base",
    "picture_of": "payload",
    "plain_line": "html_text",
    "plain_text": "html_text",
    "point_id": "payload",
    "product_of": "payload",
    "to_payload": "payload",
    "words_of": "payload",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for, so that the package is cheap to import."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
