"""Index on Qdrant servers, for catalogs that outgrow one folder: collections behind an alias.

A catalog NAME is the alias NAME and the collections NAME-1, NAME-2, … A model that is built beside another gets its own
collection, with words, payload and vectors of texts, so that building does not disturb the active graph. `publish`
moves the alias in one step, so other programs that read NAME see either model completely. `drop_space` deletes a
collection that nothing else needs.

Every write goes to all collections, to the one behind the alias last. So it is the journal: the others have what it
has. A search uses the collection that has its space, wherever the alias points. The layout is cached. If another
process changed it, it is read again and the call repeated.
"""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as Names
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from snapfind.core.errors import BadInput, NotFound
from snapfind.core.types import Kind
from snapfind.index.base import Index, IndexMatch, IndexQuery, Page, Point, Where
from snapfind.index.filters import Filter
from snapfind.index.payload import SYSTEM
from snapfind.index.qdrant.collection import Collection, CollectionLayout, make
from snapfind.index.qdrant.servers import Servers

__all__ = ["Cluster", "find", "open"]

T = TypeVar("T")
_PAGE = 256


def open(
    servers: Servers, name: str, shape: CollectionLayout | None = None, spaces: Mapping[str, int] | None = None
) -> "Cluster":
    """Open a catalog on servers, or create it.

    Args:
        servers: The servers.
        name: Name of the catalog.
        shape: Layout of a new collection.
        spaces: Space id -> dimensions, of a new collection.

    Returns:
        The open index.

    Raises:
        BadInput: A collection that is not a catalog has the name.
        NotReady: No server responds.
    """
    if name not in _aliases(servers):
        first = f"{name}-1"
        for used in (name, first):
            if servers.ask("collection_exists", used) and not _delete_interrupted(servers, used, first):
                raise BadInput(f"the servers have a collection {used} that is not a catalog; use another name")
        make(servers, first, spaces or {}, shape or CollectionLayout())
        _move_alias(servers, name, first)
    cluster = Cluster(servers, name)
    cluster.declare(SYSTEM)
    return cluster


def _delete_interrupted(servers: Servers, name: str, first: str) -> bool:
    """Delete the empty collection of an interrupted `open`. Return whether it was one."""
    empty = name == first and not servers.ask("count", name).count
    if empty:
        servers.ask("delete_collection", name)
    return empty


def find(servers: Servers, name: str) -> "Cluster":
    """Open a catalog on servers that exists.

    Args:
        servers: The servers.
        name: Name of the catalog.

    Returns:
        The open index.

    Raises:
        NotFound: There is no such catalog.
        NotReady: No server responds.
    """
    if name not in _aliases(servers):
        raise NotFound(f"the servers have no catalog {name}; move one there: snapfind migrate SHOP qdrant://…/{name}")
    return Cluster(servers, name)


def _aliases(servers: Servers) -> dict[str, str]:
    """Return the collection of each alias."""
    return {one.alias_name: one.collection_name for one in servers.ask("get_aliases").aliases}


def _move_alias(servers: Servers, alias: str, collection: str) -> None:
    """Move an alias to a collection in one step."""
    from qdrant_client import models

    delete = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
    create = models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=collection, alias_name=alias))
    old = [delete] if alias in _aliases(servers) else []
    servers.ask("update_collection_aliases", change_aliases_operations=[*old, create])


class Cluster(Index):
    """Index on servers. Thread-safe. Writes of one process run one at a time.

    Args:
        servers: The servers.
        name: Name of the catalog, which exists.

    Raises:
        NotFound: There is no such catalog.
    """

    def __init__(self, servers: Servers, name: str) -> None:
        self._servers, self._name = servers, name
        self._writing = threading.RLock()
        self.refresh()

    def refresh(self) -> None:
        """Read again which collections exist and where the alias points.

        Raises:
            NotFound: The alias does not exist any more.
        """
        own = re.compile(rf"{re.escape(self._name)}-(\d+)")
        names = [one.name for one in self._servers.ask("get_collections").collections if own.fullmatch(one.name)]
        front = _aliases(self._servers).get(self._name)
        if front is None:
            raise NotFound(f"the servers have no catalog {self._name} any more; restore it, or move it there again")
        beside = (Collection(self._servers, one) for one in sorted(names) if one != front)
        # the one behind the alias first; the tuple is replaced as a whole, because readers take no lock
        self._collections = (Collection(self._servers, front), *(one for one in beside if one.holds_words))

    # ── schema and spaces ────────────────────────────────────────────────────────

    @override
    def declare(self, fields: Mapping[str, Kind]) -> None:
        with self._writing:
            for one in self._collections:
                one.declare(fields)

    def add_space(self, space: str, dim: int, *, instead_of: Names[str] = ()) -> None:
        """Add a space. If it will replace others and there are points, it gets its own collection."""
        with self._writing:
            known = self.spaces().get(space)
            if known not in (None, dim):
                raise BadInput(f"space {space} has {known} dimensions, not {dim}; use another name")
            if known is None and instead_of and self._front.count():
                self._collections = (*self._collections, self._make(space, dim, instead_of))
            elif known is None:
                for one in self._collections:
                    one.add_space(space, dim)
        if instead_of and space not in self._front.spaces:
            self._fill(self._with_space(space)[0])

    def _make(self, space: str, dim: int, instead_of: Names[str]) -> Collection:
        numbers = {int(one.name.rpartition("-")[2]) for one in self._collections}
        shared = {name: size for name, size in self._front.spaces.items() if name not in instead_of}
        new = make(self._servers, f"{self._name}-{max(numbers) + 1}", {**shared, space: dim}, self._front.shape)
        new.copy_fields(self._front)
        return new

    def _fill(self, target: Collection) -> None:
        """Copy the points that a collection lacks, a page at a time, so that other writers need not wait."""
        after: str | None = None
        while True:
            with self._writing:
                page = self._front.scroll(after=after, limit=_PAGE, vectors=True)
                there = {point.id for point in target.get([one.id for one in page.points])}
                target.upsert([point for point in page.points if point.id not in there])
            after = page.after
            if after is None:
                return

    def drop_space(self, space: str) -> None:
        """Delete the collection of a space if nothing else is lost with it, else only the vectors of the space."""
        with self._writing:
            for one in self._with_space(space):
                rest = [name for name in one.spaces if name != space]
                if one is self._front or any(name not in self._front.spaces for name in rest):
                    one.drop_space(space)
                else:
                    self._collections = tuple(other for other in self._collections if other is not one)
                    self._servers.ask("delete_collection", one.name)

    @override
    def spaces(self) -> Mapping[str, int]:
        self._servers.ready()
        return {space: dim for one in self._collections for space, dim in one.spaces.items()}

    def publish(self, space: str) -> None:
        """Move the alias to the collection that has the space."""
        with self._writing:
            home = next(iter(self._with_space(space)), self._front)
            if home is not self._front:
                _move_alias(self._servers, self._name, home.name)
                self._collections = (home, *(one for one in self._collections if one is not home))

    # ── writing ──────────────────────────────────────────────────────────────────

    @override
    def upsert(self, points: Sequence[Point]) -> None:
        with self._writing:
            for space, vector in ((space, vector) for point in points for space, vector in point.vectors.items()):
                self._of(space).check({space: vector})
            for one in reversed(self._collections):
                one.upsert(points)

    @override
    def put_vectors(self, space: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        with self._writing:
            for vector in vectors.values():
                self._of(space).check({space: vector})
            for one in reversed(self._with_space(space)):
                one.put_vectors(space, vectors)

    @override
    def put_payload(self, ids: Sequence[str], payload: Mapping[str, Any], words: str | None = None) -> None:
        with self._writing:
            for one in reversed(self._collections):
                one.put_payload(ids, payload, words)

    @override
    def delete(self, where: Where) -> int:
        with self._writing:
            return [one.delete(where) for one in reversed(self._collections)][-1]

    # ── reading ──────────────────────────────────────────────────────────────────

    @override
    def search(self, query: IndexQuery) -> list[IndexMatch]:
        return self._read(lambda: (self._of(query.space) if query.vector is not None else self._front).search(query))

    @override
    def get(self, ids: Sequence[str], *, vectors: bool = False) -> list[Point]:
        points = self._read(lambda: self._front.get(ids, vectors=vectors))
        return self._with_all_vectors(points) if vectors else points

    @override
    def scroll(
        self, where: Filter | None = None, *, after: str | None = None, limit: int = 256, vectors: bool = False
    ) -> Page:
        page = self._read(lambda: self._front.scroll(where, after=after, limit=limit, vectors=vectors))
        return replace(page, points=tuple(self._with_all_vectors(page.points))) if vectors else page

    def _with_all_vectors(self, points: Sequence[Point]) -> list[Point]:
        """Add the vectors of the other collections."""
        more: dict[str, dict[str, NDArray[np.float32]]] = {point.id: {} for point in points}
        for one in self._collections[1:]:
            for point in one.get(list(more), vectors=True):
                more[point.id] |= point.vectors
        return [replace(point, vectors={**more[point.id], **point.vectors}) for point in points]

    @override
    def count(self, where: Filter | None = None) -> int:
        return self._read(lambda: self._front.count(where))

    @override
    def facets(self, name: str, where: Filter | None = None, limit: int = 100) -> list[tuple[Any, int]]:
        pairs = self._read(lambda: self._front.facets(name, where))
        return sorted(pairs, key=lambda pair: (-pair[1], str(pair[0])))[:limit]

    # ── the servers ──────────────────────────────────────────────────────────────

    def optimize(self) -> None:
        """Check the connection. The servers optimize by themselves."""
        self._servers.ready()

    def flush(self) -> None:
        """Check the connection. A write that returned is in the logs of the servers."""
        self._servers.ready()

    @override
    def close(self) -> None:
        self._servers.close()

    @property
    def _front(self) -> Collection:
        """Return the collection behind the alias."""
        return self._collections[0]

    def _with_space(self, space: str) -> list[Collection]:
        """Return the collections with a space, the one behind the alias first."""
        return [one for one in self._collections if space in one.spaces]

    def _of(self, space: str) -> Collection:
        """Return the collection to search for a space. Raise BadInput if there is none."""
        home = self._with_space(space)
        if not home:
            raise BadInput(f"the index has no space {space!r}; add it first")
        return home[0]

    def _read(self, call: Callable[[], T]) -> T:
        """Call a function, and repeat it if another process changed the layout."""
        try:
            return call()
        except NotFound:
            self.refresh()
            return call()
