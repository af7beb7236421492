"""Interface of an index: it stores embeddings and payloads, filters, and finds nearest neighbors.

A point is one media item. It has one vector per space, by the name of the space, so a second space can be built beside
the first. `words` is the text for BM25. Payload keys that begin with "_" belong to the catalog. All others are fields
of the product, for filters and facets. Every implementation passes tests/index/test_contract.py.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from snapfind.core.types import Kind
from snapfind.index.filters import Filter

__all__ = ["LESS", "MORE", "Index", "IndexMatch", "IndexQuery", "Page", "Point", "Where"]

# Weights of relevance feedback, chosen on photos of `train` (benchmarks/search.py). The engine's other recommendation
# strategy, by the best example, loses recall@1 when only irrelevant examples are given: pictures are nearer to each
# other than a photo is to its picture.
MORE, LESS = 0.3, 0.1
Where = Filter | Sequence[str] | None  # a filter, point ids, or everything


@dataclass(frozen=True, slots=True)
class Point:
    """A stored media item.

    Attributes:
        id: UUID.
        vectors: Space id -> (dim,) float32 unit vector.
        words: Text for BM25, empty for a point that text does not find.
        payload: Fields of the product and of the catalog.
    """

    id: str
    vectors: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    words: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IndexQuery:
    """A nearest-neighbor or BM25 query: give exactly one of `vector` and `words`.

    With relevance feedback (Rocchio 1971), a point scores (cosine with `vector` + MORE of each with `more` - LESS of
    each with `less`) / (1 + MORE for each of `more`).

    Attributes:
        space: Id of the space of the vectors.
        vector: (dim,) float32 unit vector.
        words: Query text for BM25.
        more: Vectors of relevant examples.
        less: Vectors of irrelevant examples.
        filter: Restricts the points.
        limit: Maximum number of hits.
        offset: Number of best hits to skip.
        group: Payload key. Of points with the same value only the best is returned. None: every point.
        exact: Scan all points instead of walking the graph.
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
class IndexMatch:
    """A hit. `score` is the cosine in -1..1 for a vector, or the BM25 score for words."""

    id: str
    score: float
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a scroll, in order of point id. `after` continues it. It is None on the last page."""

    points: tuple[Point, ...]
    after: str | None


class Index(Protocol):
    """Stores and finds points. Thread-safe. A write is durable when it returns, and visible to the next call."""

    def declare(self, fields: Mapping[str, Kind]) -> None:
        """Make payload fields available to filters and facets.

        Args:
            fields: Kind of each field. A known field of the same kind is not changed.
        """
        ...

    def add_space(self, space: str, dim: int, *, instead_of: Collection[str] = ()) -> None:
        """Add a vector space. Adding it again does nothing.

        Args:
            space: Id of the space.
            dim: Dimensions of its vectors.
            instead_of: Spaces that it will replace later. An index may build it in a separate collection.

        Raises:
            BadInput: The space exists with another dimension.
        """
        ...

    def drop_space(self, space: str) -> None:
        """Delete the vectors of a space. The points stay.

        Args:
            space: Id of the space.
        """
        ...

    def spaces(self) -> Mapping[str, int]:
        """Return the dimension of each space by id."""
        ...

    def publish(self, space: str) -> None:
        """Make a space the active one for other programs that read the same index, in one step.

        Args:
            space: Id of the space.
        """
        ...

    def upsert(self, points: Sequence[Point]) -> None:
        """Write whole points. A point with the same id is replaced.

        Args:
            points: Points to write.

        Raises:
            BadInput: A vector has an unknown space or another dimension.
            NoRoom: The disk is full.
        """
        ...

    def put_vectors(self, space: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Set the vector of one space on existing points. Other vectors and the payload stay.

        Args:
            space: Id of the space.
            vectors: Point id -> (dim,) float32 unit vector. Unknown points are ignored.
        """
        ...

    def put_payload(self, ids: Sequence[str], payload: Mapping[str, Any], words: str | None = None) -> None:
        """Replace the payload of existing points. Vectors stay.

        Args:
            ids: Ids of the points. Unknown ones are ignored.
            payload: New payload of all of them.
            words: New text for BM25. None: the text stays.
        """
        ...

    def delete(self, where: Where) -> int:
        """Delete points.

        Args:
            where: A filter, point ids, or None for all points.

        Returns:
            Number of deleted points.
        """
        ...

    def search(self, query: IndexQuery) -> list[IndexMatch]:
        """Find the best points.

        Args:
            query: The query.

        Returns:
            Hits, best first, equal scores in order of point id.

        Raises:
            BadInput: The space is unknown, or the vector has another dimension.
        """
        ...

    def get(self, ids: Sequence[str], *, vectors: bool = False) -> list[Point]:
        """Look points up.

        Args:
            ids: Ids of the points.
            vectors: Also return the vectors.

        Returns:
            The points that exist, in the order of `ids`.
        """
        ...

    def scroll(
        self, where: Filter | None = None, *, after: str | None = None, limit: int = 256, vectors: bool = False
    ) -> Page:
        """Iterate over points in order of id, a page at a time.

        Args:
            where: Filter, or None for all points.
            after: Start behind this point id. None: at the beginning.
            limit: Maximum number of points.
            vectors: Also return the vectors.

        Returns:
            A page.
        """
        ...

    def count(self, where: Filter | None = None) -> int:
        """Count points exactly.

        Args:
            where: Filter, or None for all points.

        Returns:
            Number of points.
        """
        ...

    def facets(self, name: str, where: Filter | None = None, limit: int = 100) -> list[tuple[Any, int]]:
        """Count the values of a field.

        Args:
            name: Field.
            where: Filter, or None for all points.
            limit: Maximum number of values.

        Returns:
            Pairs of value and exact number of points, most frequent first, equal counts in order of value.
        """
        ...

    def optimize(self) -> None:
        """Build search graphs and merge segments. Searches go on meanwhile."""
        ...

    def flush(self) -> None:
        """Write to disk, so that everything survives a power cut."""
        ...

    def close(self) -> None:
        """Flush and release the index. Every later call raises SnapfindError."""
        ...
