"""Reference index in memory: an exact scan in NumPy, for tests and small sets. Nothing is written to disk.

BM25 (Robertson & Walker 1994, k1 1.2, b 0.75) runs over words, and over single characters of scripts without spaces.
"""

import math
import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from snapfind.core.errors import BadInput, SnapfindError
from snapfind.core.types import Kind
from snapfind.index.base import LESS, MORE, Index, IndexMatch, IndexQuery, Page, Point, Where
from snapfind.index.bm25_text import normalize_codes
from snapfind.index.filters import Filter

__all__ = ["ReferenceIndex"]

_K1, _B = 1.2, 0.75
_TOKEN = re.compile(r"[一-鿿぀-ヿ가-힯]|[^\W_]+")


class ReferenceIndex(Index):
    """Index in memory. Every search scans all points."""

    def __init__(self) -> None:
        self._points: dict[str, Point] = {}
        self._spaces: dict[str, int] = {}
        self._lock = threading.RLock()
        self._closed = False

    def declare(self, fields: Mapping[str, Kind]) -> None:
        """Do nothing: a scan reads every field."""
        self._open()

    @override
    def add_space(self, space: str, dim: int, *, instead_of: Collection[str] = ()) -> None:
        self._open()
        if self._spaces.setdefault(space, dim) != dim:
            raise BadInput(f"space {space} has {self._spaces[space]} dimensions, not {dim}; use another name")

    @override
    def drop_space(self, space: str) -> None:
        with self._open():
            self._spaces.pop(space, None)
            for point in list(self._points.values()):
                others = {name: vector for name, vector in point.vectors.items() if name != space}
                self._points[point.id] = replace(point, vectors=others)

    @override
    def spaces(self) -> Mapping[str, int]:
        self._open()
        return dict(self._spaces)

    def publish(self, space: str) -> None:
        """Do nothing: no other program reads the index."""

    @override
    def upsert(self, points: Sequence[Point]) -> None:
        with self._open():
            for point in points:
                for space, vector in point.vectors.items():
                    self._check(space, vector)
            self._points.update({point.id: point for point in points})

    @override
    def put_vectors(self, space: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        with self._open():
            for key, vector in vectors.items():
                self._check(space, vector)
                if key in self._points:
                    point = self._points[key]
                    self._points[key] = replace(point, vectors={**point.vectors, space: vector})

    @override
    def put_payload(self, ids: Sequence[str], payload: Mapping[str, Any], words: str | None = None) -> None:
        with self._open():
            for key in ids:
                if key in self._points:
                    point = self._points[key]
                    text = point.words if words is None else words
                    self._points[key] = replace(point, payload=dict(payload), words=text)

    @override
    def delete(self, where: Where) -> int:
        with self._open():
            if where is None or isinstance(where, Filter):
                keys = [point.id for point in self._matching(where)]
            else:
                keys = [key for key in dict.fromkeys(where) if key in self._points]
            for key in keys:
                del self._points[key]
            return len(keys)

    @override
    def search(self, query: IndexQuery) -> list[IndexMatch]:
        with self._open():
            points = list(self._matching(query.filter))
            if query.vector is not None:
                for vector in (query.vector, *query.more, *query.less):
                    self._check(query.space, vector)
                points = [point for point in points if query.space in point.vectors]
                scores = [_score(point.vectors[query.space], query.vector, query.more, query.less) for point in points]
            else:
                scores = _bm25(query.words, points, list(self._points.values()))
        pairs = zip(points, scores) if query.vector is not None else ((p, s) for p, s in zip(points, scores) if s > 0)
        ranked = sorted(pairs, key=lambda pair: (-pair[1], pair[0].id))
        if query.group:
            best: dict[Any, tuple[Point, float]] = {}
            for point, score in ranked:
                best.setdefault(point.payload.get(query.group, point.id), (point, score))
            ranked = list(best.values())
        chosen = ranked[query.offset : query.offset + query.limit]
        return [IndexMatch(point.id, score, point.payload) for point, score in chosen]

    @override
    def get(self, ids: Sequence[str], *, vectors: bool = False) -> list[Point]:
        with self._open():
            return [_select(self._points[key], vectors) for key in ids if key in self._points]

    @override
    def scroll(
        self, where: Filter | None = None, *, after: str | None = None, limit: int = 256, vectors: bool = False
    ) -> Page:
        with self._open():
            points = sorted(self._matching(where), key=lambda point: point.id)
        points = [point for point in points if after is None or point.id > after]
        page = tuple(_select(point, vectors) for point in points[:limit])
        return Page(page, page[-1].id if len(points) > limit else None)

    @override
    def count(self, where: Filter | None = None) -> int:
        with self._open():
            return sum(1 for _ in self._matching(where))

    @override
    def facets(self, name: str, where: Filter | None = None, limit: int = 100) -> list[tuple[Any, int]]:
        with self._open():
            values = [point.payload.get(name) for point in self._matching(where)]
        counts = Counter(
            item for value in values if value is not None for item in set(value if isinstance(value, list) else [value])
        )
        return sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))[:limit]

    @override
    def optimize(self) -> None:
        self._open()

    @override
    def flush(self) -> None:
        self._open()

    @override
    def close(self) -> None:
        self._closed = True

    def _open(self) -> threading.RLock:
        if self._closed:
            raise SnapfindError("the index is closed; open the catalog again")
        return self._lock

    def _matching(self, where: Filter | None) -> list[Point]:
        return [point for point in self._points.values() if where is None or where.matches(point.payload)]

    def _check(self, space: str, vector: NDArray[np.float32]) -> None:
        if space not in self._spaces:
            raise BadInput(f"the index has no space {space!r}; add it first")
        if vector.shape != (self._spaces[space],):
            raise BadInput(f"space {space} takes ({self._spaces[space]},) vectors, not {vector.shape}")


def _score(
    own: NDArray[np.float32],
    vector: NDArray[np.float32],
    more: Sequence[NDArray[np.float32]],
    less: Sequence[NDArray[np.float32]],
) -> float:
    total = float(np.dot(own, vector))
    total += MORE * sum(float(np.dot(own, example)) for example in more)
    total -= LESS * sum(float(np.dot(own, example)) for example in less)
    return total / (1 + MORE * len(more))


def _select(point: Point, vectors: bool) -> Point:
    return point if vectors else replace(point, vectors={})


def _tokens(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKD", normalize_codes(text).lower())
    return _TOKEN.findall("".join(character for character in folded if not unicodedata.combining(character)))


def _bm25(words: str, points: Sequence[Point], corpus: Sequence[Point]) -> list[float]:
    frequencies = Counter(token for point in corpus for token in set(_tokens(point.words)))
    lengths = [len(_tokens(point.words)) for point in corpus if point.words]
    mean = sum(lengths) / len(lengths) if lengths else 1.0
    query = set(_tokens(words))
    scores = []
    for point in points:
        counts = Counter(_tokens(point.words))
        length = _K1 * (1 - _B + _B * sum(counts.values()) / mean)
        scores.append(
            sum(
                math.log(1 + (len(corpus) - frequencies[token] + 0.5) / (frequencies[token] + 0.5))
                * counts[token] * (_K1 + 1) / (counts[token] + length)
                for token in query
                if counts[token]
            )
        )  # fmt: skip
    return scores
