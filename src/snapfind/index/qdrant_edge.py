"""The embedded Index: Qdrant Edge, in this process, one folder, a write-ahead log.

Traps of version 0.9 that this file hides: it has no grouping, so pages are asked for until enough groups are there; it
facets keywords only, when they are indexed; ties come in any order; paths of odd names must be quoted; its Python side
takes `MatchValue(True)` for the number 1, so every boolean is stored once more as a keyword (`_is_NAME`). A write that
returned is in the log and survives kill -9; `flush` (about 0.1 s) makes it survive a power cut.
"""

import json
import os
import shutil
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as engine
from numpy.typing import NDArray

from snapfind.core.errors import (
    FREE_MEMORY,
    BadInput,
    CatalogBroken,
    CatalogBusy,
    NoRoom,
    OutOfMemory,
    ReadOnly,
    SnapfindError,
    is_out_of_memory,
)
from snapfind.core.types import Kind
from snapfind.index.base import LESS, MORE, Ask, Found, Page, Point, Where
from snapfind.index.bm25_text import spelled
from snapfind.index.filters import Filter
from snapfind.index.filters.operators import json_path, payload_key
from snapfind.index.hnsw_config import DEFAULT, Graph
from snapfind.index.payload import SYSTEM
from snapfind.index.point_encoding import IS, WORDS, bm25, grouped, keyword, payload_of, point_of, stored, tally

__all__ = ["Edge", "open"]

OPENING, WRITING = 16 * 2**20, 64 * 2**20  # bytes that must be free: what a batch and its log take, many times over
# Each index of a field costs a flush of the engine (14 fsyncs: .02 s, on a busy disk over a second), so that a table of
# 200 columns took minutes. Fields beyond this many are indexed when a filter or a facet first asks for them.
_EAGER = 48
_SCHEMAS: dict[Kind, Any] = {
    "text": engine.PayloadSchemaType.Keyword,
    "list": engine.PayloadSchemaType.Keyword,
    "number": engine.PayloadSchemaType.Float,
    "bool": engine.PayloadSchemaType.Keyword,  # of the shadow field
    "date": engine.PayloadSchemaType.Datetime,
}


def open(path: Path, graph: Graph = DEFAULT) -> "Edge":
    """Open the index of a folder, or make one. Raises CatalogBroken when its files cannot be read."""
    _room(path, OPENING)
    try:
        if (path / "edge_config.json").exists():
            return Edge(path, engine.EdgeShard.load(str(path)), graph)
        path.mkdir(parents=True, exist_ok=True)
        words = {WORDS: engine.EdgeSparseVectorParams(modifier=engine.Modifier.Idf)}
        linked = engine.HnswIndexConfig(graph.links, graph.build, graph.full_scan)
        config = engine.EdgeConfig(sparse_vectors=words, hnsw_config=linked, quantization_config=_rounded(graph))
        shard = engine.EdgeShard.create(str(path), config)
    except Exception as error:  # the engine raises plain Exception
        raise _opening_error(path, str(error)) from error
    edge = Edge(path, shard, graph)
    edge.declare(SYSTEM)
    return edge


def _opening_error(path: Path, reason: str) -> SnapfindError:
    """What the engine's reason means for a person: only damaged files ask for a snapshot."""
    if "WouldBlock" in reason:
        holders = _holders(path / "wal")
        if os.getpid() in holders:
            return CatalogBusy(f"the index in {path} is open in this process already; close it there first")
        listed = ", ".join(map(str, holders)) or "unknown"
        return CatalogBusy(
            f"the index in {path} is still open in another process ({listed}), such as a forked child; end it first"
        )
    if "FileTooLarge" in reason or "File too large" in reason:
        return NoRoom(f"files may not grow as far as the index in {path} needs; raise the limit (ulimit -f) or quota")
    if "StorageFull" in reason or "No space left" in reason or "QuotaExceeded" in reason:
        return NoRoom(f"no room on the disk for the index in {path}; free some space and run again")
    if "OutOfMemory" in reason or "Cannot allocate memory" in reason:
        return OutOfMemory(f"not enough memory to open the index in {path}; {FREE_MEMORY}")
    if "PermissionDenied" in reason or "Permission denied" in reason:
        return ReadOnly(f"the files of the index in {path} cannot be written; run as their owner")
    return CatalogBroken(f"the index in {path} cannot be opened ({reason}); restore a snapshot")


def _holders(folder: Path) -> list[int]:
    """Processes that have a file of the folder open, as far as the system tells (Linux)."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if link.readlink().is_relative_to(folder):
                found.add(int(link.parts[2]))
        except OSError:  # closed meanwhile, or of another user
            continue
    return sorted(found)


def _room(path: Path, least: int) -> None:
    """Raises NoRoom before the disk is full: the engine writes through memory maps, where a full disk is no error but
    the end of the process (SIGBUS), even while it only reads."""
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    if shutil.disk_usage(there).free < least:
        raise NoRoom(f"less than {least >> 20} MB are free on the disk of {path}; free some space and run again")


class Edge:
    """An Index in a folder. Reads run beside each other; writes one at a time."""

    def __init__(self, path: Path, shard: engine.EdgeShard, graph: Graph) -> None:
        self._path, self._graph = path, graph
        self._shard: engine.EdgeShard | None = shard
        self._writing = threading.Lock()
        self._process = os.getpid()
        self._bm25 = bm25()
        self._dims = self._read_dims()
        self._later: dict[str, tuple[str, Any]] = {}  # declared fields without an index: payload field and its type

    # ── schema and spaces ────────────────────────────────────────────────────────

    def declare(self, fields: Mapping[str, Kind]) -> None:
        with self._writing:
            known = self._declared()
            for name, kind in fields.items():
                field, schema = (IS + name if kind == "bool" else name), _SCHEMAS[kind]
                found = known.get(payload_key(field))
                if found is None and len(known) >= _EAGER:
                    self._later[name] = (field, schema)
                elif found != schema:
                    self._index_field(field, schema)
                    known[payload_key(field)] = schema

    def _index_field(self, field: str, schema: Any) -> None:
        self._update(engine.UpdateOperation.create_field_index(json_path(field), schema))

    def _index_later(self, names: Collection[str]) -> None:
        """Index fields at their first use that `declare` put off; a filter without an index is right, but slow."""
        if wanted := self._later.keys() & names:
            with self._writing, suppress(NoRoom):
                for name in wanted & self._later.keys():
                    self._index_field(*self._later[name])
                    del self._later[name]

    def _declared(self) -> dict[str, Any]:
        """Type of each indexed field by payload key. The engine lists some quoted paths without their quotes."""
        return {path.strip('"'): own.data_type for path, own in self._open().info().payload_schema.items()}

    def add_space(self, space: str, dim: int, *, instead_of: Collection[str] = ()) -> None:
        """Beside the others, whatever it is to replace."""
        with self._writing:
            known = self.spaces().get(space)
            if known is None:
                self._update(engine.UpdateOperation.create_dense_vector(space, dim, engine.Distance.Dot))
                self._dims = self._read_dims()
            elif known != dim:
                raise BadInput(f"space {space} has {known} dimensions, not {dim}; use another name")

    def drop_space(self, space: str) -> None:
        with self._writing:
            if space in self.spaces():
                self._update(engine.UpdateOperation.delete_vector_name(space))
                self._dims = self._read_dims()

    def spaces(self) -> Mapping[str, int]:
        self._open()
        return dict(self._dims)

    def publish(self, space: str) -> None:
        """Nobody reads this folder from elsewhere."""

    def _read_dims(self) -> dict[str, int]:
        config = json.loads((self._path / "edge_config.json").read_bytes())
        return {name: int(vector["size"]) for name, vector in config.get("vectors", {}).items()}

    # ── writing ──────────────────────────────────────────────────────────────────

    def upsert(self, points: Sequence[Point]) -> None:
        self._check({space: vector for point in points for space, vector in point.vectors.items()})
        rows = []
        for point in points:
            vectors: dict[str, Any] = {space: vector.tolist() for space, vector in point.vectors.items()}
            rows.append(engine.Point(point.id, vectors | self._sparse(point.words), stored(point.payload, point.words)))
        with self._writing:
            self._update(engine.UpdateOperation.upsert_points(rows))

    def put_vectors(self, space: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        self._check(dict.fromkeys([space], next(iter(vectors.values()))) if vectors else {})
        with self._writing:
            there = [point.id for point in self.get(list(vectors))]
            rows = [engine.PointVectors(found, {space: vectors[found].tolist()}) for found in there]
            if rows:
                self._update(engine.UpdateOperation.update_vectors(rows))

    def put_payload(self, ids: Sequence[str], payload: Mapping[str, Any], words: str | None = None) -> None:
        with self._writing:
            for point in self.get(ids):
                said = point.words if words is None else words
                self._update(engine.UpdateOperation.overwrite_payload([point.id], stored(payload, said)))
                if words is None or words == point.words:
                    continue
                if sparse := self._sparse(words):
                    self._update(engine.UpdateOperation.update_vectors([engine.PointVectors(point.id, sparse)]))
                else:
                    self._update(engine.UpdateOperation.delete_vectors([point.id], [WORDS]))

    def delete(self, where: Where) -> int:
        if isinstance(where, Filter):
            self._index_later(where.fields)
        with self._writing:
            if where is None or isinstance(where, Filter):
                count = self.count(where)
                self._update(engine.UpdateOperation.delete_points_by_filter(_condition(where)))
                return count
            there = [point.id for point in self.get(list(dict.fromkeys(where)))]
            if there:
                self._update(engine.UpdateOperation.delete_points(list(there)))
            return len(there)

    def _sparse(self, words: str) -> dict[str, Any]:
        vector = self._bm25.embed_document(spelled(words))
        return {WORDS: vector} if vector.indices else {}

    def _update(self, operation: Any) -> None:
        """Raises NoRoom when the disk is full."""
        _room(self._path, WRITING)
        try:
            self._open().update(operation)
        except Exception as error:
            if "No space left" in str(error):
                raise NoRoom("no room on the disk for the index; free some space and run again") from error
            if is_out_of_memory(error):
                raise OutOfMemory(f"not enough memory to write to the index; {FREE_MEMORY}") from error
            raise SnapfindError(f"the index refused a write: {error}") from error

    # ── reading ──────────────────────────────────────────────────────────────────

    def search(self, ask: Ask) -> list[Found]:
        if ask.filter:
            self._index_later(ask.filter.fields)
        if ask.vector is not None:
            for vector in (ask.vector, *ask.more, *ask.less):
                self._check({ask.space: vector})
            query = _dense(ask.vector, ask)
        else:
            sparse = self._bm25.embed_query(spelled(ask.words))
            if not sparse.indices:
                return []
            query = engine.Query.Nearest(sparse, using=WORDS)
        wanted = ask.offset + ask.limit
        size = wanted + 8  # room for the first ties and second pictures
        while True:
            found = self._nearest(query, ask, size)
            ranked = grouped(found, ask.group)
            # more may be hidden behind the last: too few groups yet, or a tie across the edge of what was asked for
            tied = len(ranked) > wanted and found[-1].score == ranked[wanted - 1].score
            if len(found) < size or (len(ranked) >= wanted and not tied and found[-1].score < ranked[wanted - 1].score):
                return ranked[ask.offset : wanted]
            size *= 4

    def _nearest(self, query: Any, ask: Ask, size: int) -> list[Found]:
        exact = ask.exact and ask.vector is not None
        again = engine.QuantizationSearchParams(rescore=True, oversampling=self._graph.spare)
        around = engine.AcornSearchParams(ask.filter is not None and self._graph.around > 0, self._graph.around)
        breadth = self._graph.breadth if ask.filter is None else self._graph.filtered
        params = engine.SearchParams(max(breadth, size), exact, again, acorn=around)
        request = engine.QueryRequest(
            limit=size,
            query=query,
            filter=_condition(ask.filter) if ask.filter else None,
            with_payload=True,
            params=params,
        )
        points = self._open().query(request)
        scale = 1 + MORE * len(ask.more)
        found = [Found(str(point.id), float(point.score) / scale, payload_of(point.payload)) for point in points]
        return sorted(found, key=lambda one: (-one.score, one.id))

    def get(self, ids: Sequence[str], *, vectors: bool = False) -> list[Point]:
        records = self._open().retrieve(list(ids), with_payload=True, with_vector=vectors) if ids else []
        points = {str(record.id): point_of(record, vectors) for record in records}
        return [points[found] for found in ids if found in points]

    def scroll(
        self, where: Filter | None = None, *, after: str | None = None, limit: int = 256, vectors: bool = False
    ) -> Page:
        if where:
            self._index_later(where.fields)
        # the engine's offset is the first id to come, also when that point is gone by now
        request = engine.ScrollRequest(
            offset=after,
            limit=limit + 2,
            filter=_condition(where) if where else None,
            with_payload=True,
            with_vector=vectors,
        )
        records, _ = self._open().scroll(request)
        points = [point_of(record, vectors) for record in records if str(record.id) != after]
        shown = tuple(points[:limit])
        return Page(shown, shown[-1].id if len(points) > limit else None)

    def count(self, where: Filter | None = None) -> int:
        if where:
            self._index_later(where.fields)
        return self._open().count(engine.CountRequest(exact=True, filter=_condition(where) if where else None))

    def facets(self, name: str, where: Filter | None = None, limit: int = 100) -> list[tuple[Any, int]]:
        self._index_later({name} | (where.fields if where else frozenset()))
        known = self._declared()
        field = IS + name if payload_key(IS + name) in known else name
        if known.get(payload_key(field)) == engine.PayloadSchemaType.Keyword:
            condition = _condition(where) if where else None
            request = engine.FacetRequest(json_path(field), limit=1_000_000, exact=True, filter=condition)
            truths = {"true": True, "false": False} if field == IS + name else {}
            pairs = [(truths.get(str(hit.value), hit.value), hit.count) for hit in self._open().facet(request)]
        else:
            pairs = list(tally(self.scroll, name, where).items())
        return sorted(pairs, key=lambda pair: (-pair[1], str(pair[0])))[:limit]

    # ── the folder ───────────────────────────────────────────────────────────────

    def optimize(self) -> None:
        _room(self._path, WRITING)
        self._open().optimize()
        self.flush()

    def flush(self) -> None:
        self._open().flush()

    def close(self) -> None:
        if os.getpid() != self._process:
            return
        with self._writing:
            shard, self._shard = self._shard, None
        if shard is not None:
            shard.flush()
            shard.close()

    def _open(self) -> engine.EdgeShard:
        shard = self._shard
        if shard is None:
            raise SnapfindError("the index is closed; open the catalog again")
        if os.getpid() != self._process:
            raise CatalogBusy(f"the index was opened in process {self._process}; open it again in a forked child")
        return shard

    def _check(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        self._open()
        spaces = self._dims
        for space, vector in vectors.items():
            if space not in spaces:
                raise BadInput(f"the index has no space {space!r}; add it first")
            if vector.shape != (spaces[space],):
                raise BadInput(f"space {space} takes ({spaces[space]},) vectors, not {vector.shape}")


class _Conditions:
    """The engine's condition classes for filters to use."""

    FieldCondition = engine.FieldCondition
    Filter = engine.Filter
    IsEmptyCondition = engine.IsEmptyCondition
    MatchAny = engine.MatchAny
    RangeDateTime = engine.RangeDateTime
    RangeFloat = engine.RangeFloat

    @staticmethod
    def boolean(name: str, value: bool) -> engine.FieldCondition:
        """The field is that boolean."""
        return engine.FieldCondition(json_path(IS + name), match=engine.MatchAny([keyword(value)]))


def _dense(vector: NDArray[np.float32], ask: Ask) -> Any:
    """Nearest, or the engine's recommendation by the sum of scores; weights are the lengths of the examples."""
    if not ask.more and not ask.less:
        return engine.Query.Nearest(vector.tolist(), using=ask.space)
    right = [vector.tolist(), *((MORE * example).tolist() for example in ask.more)]
    wrong = [(LESS * example).tolist() for example in ask.less]
    return engine.Query.RecommendSumScores(engine.RecommendQuery(right, wrong), using=ask.space)


def _rounded(graph: Graph) -> Any:
    """A byte a number beside what was stored, kept in memory."""
    if graph.quantile is None:
        return None
    return engine.ScalarQuantizationConfig(engine.ScalarType.Int8, quantile=graph.quantile, memory=engine.Memory.Cached)


def _condition(where: Filter | None) -> Any:
    if where is None:
        return engine.Filter()
    condition = where.condition(_Conditions)
    return condition if isinstance(condition, engine.Filter) else engine.Filter(must=[condition])
