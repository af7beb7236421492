"""Indexes: stored embeddings and payloads, filters, and nearest-neighbor search."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

if TYPE_CHECKING:
    from snapfind.index.base import Index, IndexMatch, IndexQuery, Page, Point, Where
    from snapfind.index.hnsw_config import HnswConfig
    from snapfind.index.html_text import plain_line, plain_text
    from snapfind.index.payload import picture_of, point_id, product_of, to_payload, without_read, words_of
    from snapfind.index.reference import ReferenceIndex

__all__ = [
    "HnswConfig",
    "Index",
    "IndexMatch",
    "IndexQuery",
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
    "without_read",
    "words_of",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "base": ["IndexQuery", "IndexMatch", "Index", "Page", "Point", "Where"],
        "hnsw_config": ["HnswConfig"],
        "html_text": ["plain_line", "plain_text"],
        "payload": ["picture_of", "point_id", "product_of", "to_payload", "without_read", "words_of"],
        "reference": ["ReferenceIndex"],
    },
)
