"""The Index of many machines: collections on Qdrant servers behind one alias, for catalogs that outgrow one folder.

A catalog NAME is the alias NAME and the collections NAME-1, NAME-2, … A model that is built beside another gets a
collection of its own, which takes words, payload and the vectors of texts along: building it leaves the graph alone
that answers meanwhile. `publish` moves the alias, in one step on the servers, so other programs that read NAME see the
whole of one model or the whole of the other; `drop_space` removes the collection that nothing else needs.

Every write goes to all of them, the one behind the alias last: it is the journal, and what it has the others have. Here
a search asks for its space by name wherever the alias points, so it finds one whole space or the other too. The layout
is kept in memory; when another process changed it, the servers say so, it is read again and the call repeated.
"""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as Names
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from snapfind.core.errors import BadInput, NotFound
from snapfind.core.types import Kind
from snapfind.index.base import Ask, Found, Page, Point, Where
from snapfind.index.filters import Filter
from snapfind.index.payload import SYSTEM
from snapfind.index.qdrant.collection import Collection, Shape, make
from snapfind.index.qdrant.servers import Servers

__all__ = ["Cluster", "find", "open"]

T = TypeVar("T")
_PAGE = 256


def open(servers: Servers, name: str, shape: Shape | None = None, spaces: Mapping[str, int] | None = None) -> "Cluster":
    """The catalog of that name, made in `shape` with `spaces` (id -> dim) where there is none.

    Raises BadInput where a collection that is no catalog has the name, NotReady where no server answers.
    """
    if name not in _aliases(servers):
        first = f"{name}-1"
        for taken in (name, first):
            if servers.ask("collection_exists", taken) and not _cut_short(servers, taken, first):
                raise BadInput(f"the servers have a collection {taken} that is no catalog's; give another name")
        make(servers, first, spaces or {}, shape or Shape())
        _point(servers, name, first)
    cluster = Cluster(servers, name)
    cluster.declare(SYSTEM)
    return cluster


def _cut_short(servers: Servers, taken: str, first: str) -> bool:
    """Whether a collection was left by one who was making a catalog: nothing is in it yet, and it goes."""
    empty = taken == first and not servers.ask("count", taken).count
    if empty:
        servers.ask("delete_collection", taken)
    return empty


def find(servers: Servers, name: str) -> "Cluster":
    """The catalog of that name, which is there. Raises NotFound, NotReady."""
    if name not in _aliases(servers):
        raise NotFound(f"the servers have no catalog {name}; move one there: snapfind migrate SHOP qdrant://…/{name}")
    return Cluster(servers, name)


def _aliases(servers: Servers) -> dict[str, str]:
    """Alias -> collection."""
    return {one.alias_name: one.collection_name for one in servers.ask("get_aliases").aliases}


def _point(servers: Servers, alias: str, collection: str) -> None:
    """Let an alias point to a collection, in one step."""
    from qdrant_client import models

    gone = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
    made = models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=collection, alias_name=alias))
    old = [gone] if alias in _aliases(servers) else []
    servers.ask("update_collection_aliases", change_aliases_operations=[*old, made])


class Cluster:
    """An Index on servers. Any thread may call it; writes of one process go one at a time."""

    def __init__(self, servers: Servers, name: str) -> None:
        self._servers, self._name = servers, name
        self._writing = threading.RLock()
        self.refresh()

    def refresh(self) -> None:
        """Read anew which collections there are and where the alias points. Raises NotFound when the alias is gone."""
        own = re.compile(rf"{re.escape(self._name)}-(\d+)")
        names = [one.name for one in self._servers.ask("get_collections").collections if own.fullmatch(one.name)]
        front = _aliases(self._servers).get(self._name)
        if front is None:
            raise NotFound(f"the servers have no catalog {self._name} any more; restore it or move it there again")
        beside = (Collection(self._servers, one) for one in sorted(names) if one != front)
        # the one behind the alias first; replaced whole, for readers take no lock
        self._collections = (Collection(self._servers, front), *(one for one in beside if one.holds_words))

    # ── schema and spaces ────────────────────────────────────────────────────────

    def declare(self, fields: Mapping[str, Kind]) -> None:
        with self._writing:
            for one in self._collections:
                one.declare(fields)

    def add_space(self, space: str, dim: int, *, instead_of: Names[str] = ()) -> None:
        """As the port says; where points are there and it is to replace others, in a collection of its own."""
        with self._writing:
            known = self.spaces().get(space)
            if known not in (None, dim):
                raise BadInput(f"space {space} has {known} dimensions, not {dim}; use another name")
            if known is None and instead_of and self._front.count():
                self._collections = (*self._collections, self._made(space, dim, instead_of))
            elif known is None:
                for one in self._collections:
                    one.add_space(space, dim)
        if instead_of and space not in self._front.spaces:
            self._fill(self._having(space)[0])

    def _made(self, space: str, dim: int, instead_of: Names[str]) -> Collection:
        taken = {int(one.name.rpartition("-")[2]) for one in self._collections}
        shared = {name: size for name, size in self._front.spaces.items() if name not in instead_of}
        made = make(self._servers, f"{self._name}-{max(taken) + 1}", {**shared, space: dim}, self._front.shape)
        made.take_fields(self._front)
        return made

    def _fill(self, target: Collection) -> None:
        """Copy the points that it lacks, a page at a time, so that other writers get their turn."""
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
        """Remove the collection where nothing but this space would go with it, else the space's vectors."""
        with self._writing:
            for one in self._having(space):
                rest = [name for name in one.spaces if name != space]
                if one is self._front or any(name not in self._front.spaces for name in rest):
                    one.drop_space(space)
                else:
                    self._collections = tuple(other for other in self._collections if other is not one)
                    self._servers.ask("delete_collection", one.name)

    def spaces(self) -> Mapping[str, int]:
        self._servers.ready()
        return {space: dim for one in self._collections for space, dim in one.spaces.items()}

    def publish(self, space: str) -> None:
        """Move the alias to the collection that has this space, where it is another one."""
        with self._writing:
            home = next(iter(self._having(space)), self._front)
            if home is not self._front:
                _point(self._servers, self._name, home.name)
                self._collections = (home, *(one for one in self._collections if one is not home))

    # ── writing ──────────────────────────────────────────────────────────────────

    def upsert(self, points: Sequence[Point]) -> None:
        with self._writing:
            for space, vector in ((space, vector) for point in points for space, vector in point.vectors.items()):
                self._of(space).check({space: vector})
            for one in reversed(self._collections):
                one.upsert(points)

    def put_vectors(self, space: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        with self._writing:
            for vector in vectors.values():
                self._of(space).check({space: vector})
            for one in reversed(self._having(space)):
                one.put_vectors(space, vectors)

    def put_payload(self, ids: Sequence[str], payload: Mapping[str, Any], words: str | None = None) -> None:
        with self._writing:
            for one in reversed(self._collections):
                one.put_payload(ids, payload, words)

    def delete(self, where: Where) -> int:
        with self._writing:
            return [one.delete(where) for one in reversed(self._collections)][-1]

    # ── reading ──────────────────────────────────────────────────────────────────

    def search(self, ask: Ask) -> list[Found]:
        return self._read(lambda: (self._of(ask.space) if ask.vector is not None else self._front).search(ask))

    def get(self, ids: Sequence[str], *, vectors: bool = False) -> list[Point]:
        found = self._read(lambda: self._front.get(ids, vectors=vectors))
        return self._whole(found) if vectors else found

    def scroll(
        self, where: Filter | None = None, *, after: str | None = None, limit: int = 256, vectors: bool = False
    ) -> Page:
        page = self._read(lambda: self._front.scroll(where, after=after, limit=limit, vectors=vectors))
        return replace(page, points=tuple(self._whole(page.points))) if vectors else page

    def _whole(self, points: Sequence[Point]) -> list[Point]:
        """With the vectors of the collections beside."""
        more: dict[str, dict[str, NDArray[np.float32]]] = {point.id: {} for point in points}
        for one in self._collections[1:]:
            for point in one.get(list(more), vectors=True):
                more[point.id] |= point.vectors
        return [replace(point, vectors={**more[point.id], **point.vectors}) for point in points]

    def count(self, where: Filter | None = None) -> int:
        return self._read(lambda: self._front.count(where))

    def facets(self, name: str, where: Filter | None = None, limit: int = 100) -> list[tuple[Any, int]]:
        pairs = self._read(lambda: self._front.facets(name, where))
        return sorted(pairs, key=lambda pair: (-pair[1], str(pair[0])))[:limit]

    # ── the servers ──────────────────────────────────────────────────────────────

    def optimize(self) -> None:
        """The servers do it by themselves."""
        self._servers.ready()

    def flush(self) -> None:
        """A write that returned is in the servers' logs."""
        self._servers.ready()

    def close(self) -> None:
        self._servers.close()

    @property
    def _front(self) -> Collection:
        """The collection behind the alias."""
        return self._collections[0]

    def _having(self, space: str) -> list[Collection]:
        """The collections with that space, the one behind the alias first."""
        return [one for one in self._collections if space in one.spaces]

    def _of(self, space: str) -> Collection:
        """Where a space is looked for. Raises BadInput for one that is nowhere."""
        home = self._having(space)
        if not home:
            raise BadInput(f"the index has no space {space!r}; add it first")
        return home[0]

    def _read(self, call: Callable[[], T]) -> T:
        """What a call gives, once more after another process moved what it needs."""
        try:
            return call()
        except NotFound:
            self.refresh()
            return call()
