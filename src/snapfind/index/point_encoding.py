"""How a point lies in the engine, embedded or on servers: shadow fields, words, groups. What both adapters share.

A boolean is stored once more as a keyword, because the engine's Python side takes `MatchValue(True)` for the number 1;
the words are stored too, for the engine gives back weights of hashed tokens only.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import qdrant_edge as engine

from snapfind.index.base import Found, Page, Point
from snapfind.index.filters import Filter
from snapfind.index.filters.operators import field_name, payload_key

__all__ = ["IS", "WORDS", "bm25", "grouped", "keyword", "payload_of", "point_of", "stored", "tally"]

WORDS, IS = "words", "_is_"


def bm25() -> engine.Bm25:
    """Texts to weights of tokens, the same for every index."""
    return engine.Bm25(
        engine.Bm25Config(
            tokenizer=engine.TokenizerType.Multilingual,  # parts Chinese and Japanese into words
            stemmer=engine.DisabledStemmer(),  # three languages in one index: a stemmer for one harms the others
            stopwords=engine.StopwordsSet(),
            ascii_folding=True,
            avg_len=40,
        )
    )


def stored(payload: Mapping[str, Any], words: str) -> dict[str, Any]:
    """A payload as the engine keeps it."""
    fields = {payload_key(name): value for name, value in payload.items()}
    truths = {IS + key: keyword(value) for key, value in fields.items() if isinstance(value, bool)}
    return {**fields, **truths, "_words": words}


def keyword(value: bool) -> str:
    """A boolean as its shadow field holds it."""
    return "true" if value else "false"


def payload_of(kept: Mapping[str, Any] | None) -> dict[str, Any]:
    """What was given to `stored`."""
    return {field_name(key): value for key, value in (kept or {}).items() if key != "_words" and not key.startswith(IS)}


def point_of(record: Any, vectors: bool) -> Point:
    """A record of the engine or of its client as a point."""
    found = record.vector if vectors and isinstance(record.vector, dict) else {}
    dense = {space: np.asarray(vector, np.float32) for space, vector in found.items() if space != WORDS}
    words = str((record.payload or {}).get("_words", ""))
    return Point(str(record.id), dense, words, payload_of(record.payload))


def grouped(found: Sequence[Found], group: str | None) -> list[Found]:
    """The best of each group, in their order; all of them without a group."""
    if group is None:
        return list(found)
    best: dict[Any, Found] = {}
    for one in found:
        best.setdefault(one.payload.get(group, one.id), one)
    return list(best.values())


def tally(scroll: Callable[..., Page], name: str, where: Filter | None) -> Counter[Any]:
    """Values of a field and how many points have each, for those that the engine cannot count, page by page."""
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
