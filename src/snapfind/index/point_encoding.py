"""Encoding of points in the payload of Qdrant, shared by the embedded index and the servers.

A boolean is also stored as a keyword, because the engine's Python API takes `MatchValue(True)` for the number 1. The
words are stored too, because the engine returns only weights of hashed tokens.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import qdrant_edge as engine

from snapfind.index.base import IndexMatch, Page, Point
from snapfind.index.filters import Filter
from snapfind.index.filters.operators import field_name, payload_key

__all__ = [
    "IS",
    "WORDS",
    "best_per_group",
    "bm25",
    "bool_keyword",
    "count_values",
    "decode_payload",
    "decode_point",
    "encode_payload",
]

WORDS, IS = "words", "_is_"


def bm25() -> engine.Bm25:
    """Return the BM25 model of every index.

    Returns:
        The model, which converts texts to sparse vectors.
    """
    return engine.Bm25(
        engine.Bm25Config(
            tokenizer=engine.TokenizerType.Multilingual,  # segments Chinese and Japanese
            stemmer=engine.DisabledStemmer(),  # three languages in one index: a stemmer for one harms the others
            stopwords=engine.StopwordsSet(),
            ascii_folding=True,
            avg_len=40,
        )
    )


def encode_payload(payload: Mapping[str, Any], words: str) -> dict[str, Any]:
    """Encode a payload for the engine.

    Args:
        payload: Fields of the point.
        words: Text for BM25.

    Returns:
        Payload with escaped keys, shadow fields and words.
    """
    fields = {payload_key(name): value for name, value in payload.items()}
    truths = {IS + key: bool_keyword(value) for key, value in fields.items() if isinstance(value, bool)}
    return {**fields, **truths, "_words": words}


def bool_keyword(value: bool) -> str:
    """Return the value of the shadow field of a boolean."""
    return "true" if value else "false"


def decode_payload(encoded: Mapping[str, Any] | None) -> dict[str, Any]:
    """Decode a payload of the engine: the inverse of `encode_payload`.

    Args:
        encoded: Payload of a record, or None.

    Returns:
        Fields of the point.
    """
    return {
        field_name(key): value for key, value in (encoded or {}).items() if key != "_words" and not key.startswith(IS)
    }


def decode_point(record: Any, vectors: bool) -> Point:
    """Decode a record of the engine or of its client.

    Args:
        record: Record with id, payload and vectors.
        vectors: Return the vectors too.

    Returns:
        The point.
    """
    vectors_by_name = record.vector if vectors and isinstance(record.vector, dict) else {}
    dense = {space: np.asarray(vector, np.float32) for space, vector in vectors_by_name.items() if space != WORDS}
    words = str((record.payload or {}).get("_words", ""))
    return Point(str(record.id), dense, words, decode_payload(record.payload))


def best_per_group(hits: Sequence[IndexMatch], group: str | None) -> list[IndexMatch]:
    """Keep the best hit of each group.

    Args:
        hits: Hits, best first.
        group: Payload key of the group, or None for no grouping.

    Returns:
        Hits, best first.
    """
    if group is None:
        return list(hits)
    best: dict[Any, IndexMatch] = {}
    for one in hits:
        best.setdefault(one.payload.get(group, one.id), one)
    return list(best.values())


def count_values(scroll: Callable[..., Page], name: str, where: Filter | None) -> Counter[Any]:
    """Count the values of a field that the engine cannot count, by scrolling.

    Args:
        scroll: `Index.scroll`.
        name: Field.
        where: Filter, or None for all points.

    Returns:
        Number of points of each value.
    """
    counts: Counter[Any] = Counter()
    after: str | None = None
    while True:
        page = scroll(where, after=after, limit=1000)
        for point in page.points:
            value = point.payload.get(name, [])
            counts.update(value if isinstance(value, list) else [value])
        after = page.after
        if after is None:
            return counts
