"""The Index port: stores and finds vectors with payload. Every adapter passes tests/index/test_contract.py.

A point is one picture. Its vectors carry the name of their space, so that a second space can be built beside the
first. `words` is text for BM25. Payload keys that begin with "_" belong to the catalog; all others are fields of
the product that filters and facets speak of.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from snapfind.core.types import Kind
from snapfind.index.filters import Filter

__all__ = ["LESS", "MORE", "Ask", "Found", "Index", "Page", "Point", "Where"]

# Chosen on photos of `train` (benchmarks/search.py). The engine's other recommendation, by the best example, loses
# recall@1 when only wrong ones are marked: pictures are nearer to each other than a photo is to its picture.
MORE, LESS = 0.3, 0.1
Where = Filter | Sequence[str] | None  # a filter, point ids, or everything


@dataclass(frozen=True, slots=True)
class Point:
    """One picture: `id` is a UUID; `vectors` maps the space id to a (dim,) float32 unit vector."""

    id: str
    vectors: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    words: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ask:
    """One search: nearest to `vector` in `space`, or best for `words` by BM25 (exactly one of the two).

    `group` names the payload key by which hits are grouped, best point kept: `limit` groups come back whenever they
    exist. `exact` asks for a full scan instead of the graph.

    `more` and `less` are further vectors of that space, examples marked right and wrong (Rocchio 1971): a point scores
    (cosine with `vector` + MORE of each with `more` - LESS of each with `less`) / (1 + MORE for each of `more`).
    """

    space: str = ""
    vector: NDArray[np.float32] | None = None
    words: str = ""
    more: tuple[NDArray[np.float32], ...] = ()
    less: tuple[NDArray[np.float32], ...] = ()
    filter: Filter | None = None
    limit: int = 10
    offset: int = 0
    group: str | None = "_product"
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A point with its similarity: cosine in -1..1 for a vector, BM25 for words."""

    id: str
    score: float
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """A slice of a scroll in order of point id; `after` continues it and is None at the end."""

    points: tuple[Point, ...]
    after: str | None


class Index(Protocol):
    """Stores and finds points. A write is durable when it returns, visible to the next call; any thread may call."""

    def declare(self, fields: Mapping[str, Kind]) -> None:
        """Make these payload fields filterable and countable; a known field of the same kind is left as it is."""
        ...

    def add_space(self, space: str, dim: int, *, instead_of: Collection[str] = ()) -> None:
        """Make room for vectors of that space beside the others; the same space again is left as it is.

        `instead_of` names the spaces that it is to replace one day: an engine may build it apart from them.
        """
        ...

    def drop_space(self, space: str) -> None:
        """Forget every vector of that space; the points stay."""
        ...

    def spaces(self) -> Mapping[str, int]:
        """Space id -> dim."""
        ...

    def publish(self, space: str) -> None:
        """Tell whoever reads the same engine from elsewhere that this space answers now, in one step."""
        ...

    def upsert(self, points: Sequence[Point]) -> None:
        """Write whole points; a point of the same id is replaced."""
        ...

    def put_vectors(self, space: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Set the vector of one space on existing points; other vectors and the payload stay."""
        ...

    def put_payload(self, ids: Sequence[str], payload: Mapping[str, Any], words: str | None = None) -> None:
        """Replace the payload (and the words unless None) of existing points; vectors stay."""
        ...

    def delete(self, where: Where) -> int:
        """Remove points and return how many there were. `None` removes all."""
        ...

    def search(self, ask: Ask) -> list[Found]:
        """Best first; ties by point id."""
        ...

    def get(self, ids: Sequence[str], *, vectors: bool = False) -> list[Point]:
        """The points that exist among `ids`, in the order asked."""
        ...

    def scroll(
        self, where: Filter | None = None, *, after: str | None = None, limit: int = 256, vectors: bool = False
    ) -> Page:
        """Points in order of id, from the one behind `after` on."""
        ...

    def count(self, where: Filter | None = None) -> int:
        """Exact number of points."""
        ...

    def facets(self, name: str, where: Filter | None = None, limit: int = 100) -> list[tuple[Any, int]]:
        """Values of a field with their exact number of points, most frequent first, ties by value."""
        ...

    def optimize(self) -> None:
        """Build graphs and merge segments; searches go on meanwhile."""
        ...

    def flush(self) -> None:
        """Make what was written survive a power cut too."""
        ...

    def close(self) -> None:
        """Flush and release; the next call on it raises."""
        ...
