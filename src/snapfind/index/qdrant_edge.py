"""Embedded index: Qdrant Edge in this process, with its files and its write-ahead log in one folder.

This file hides gaps of version 0.9. It cannot group hits, so more hits are requested until there are enough groups. It
counts only indexed keywords. The order of equal scores is undefined. Paths of unusual names must be quoted. Its Python
API takes `MatchValue(True)` for the number 1, so each boolean is also stored as a keyword (`_is_NAME`). A write that
returned is in the log and survives kill -9. After `flush` (about 0.1 s) it survives a power cut.
"""

import json
import os
import shutil
import sys
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as engine
from numpy.typing import NDArray
from typing_extensions import override

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
from snapfind.index.base import LESS, MORE, Index, IndexMatch, IndexQuery, Page, Point, Where
from snapfind.index.bm25_text import normalize_codes
from snapfind.index.filters import Filter
from snapfind.index.filters.operators import json_path, payload_key
from snapfind.index.hnsw_config import DEFAULT, HnswConfig
from snapfind.index.payload import SYSTEM
from snapfind.index.point_encoding import (
    IS,
    WORDS,
    best_per_group,
    bm25,
    bool_keyword,
    count_values,
    decode_payload,
    decode_point,
    encode_payload,
)

__all__ = ["Edge", "open"]

_ADDRESS_SPACE = 640 * 2**20  # bytes: with less the engine aborts, or waits forever for threads that did not start
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


def open(path: Path, hnsw: HnswConfig = DEFAULT) -> "Edge":
    """Open the index of a folder, or create one.

    Args:
        path: The folder.
        hnsw: Settings of the graph. An existing index keeps those with which it was created.

    Returns:
        The open index.

    Raises:
        CatalogBroken: The files cannot be read.
        CatalogBusy: Another process, or this one, has the index open.
        NoRoom: The disk is full.
        OutOfMemory: Memory cannot be allocated.
        ReadOnly: The files cannot be written.
    """
    _check_disk(path, OPENING)
    free = _free_address_space()
    if free is not None and free < _ADDRESS_SPACE:
        raise OutOfMemory(f"not enough memory to open the index in {path}; {FREE_MEMORY}")
    try:
        if (path / "edge_config.json").exists():
            return Edge(path, engine.EdgeShard.load(str(path)), hnsw)
        path.mkdir(parents=True, exist_ok=True)
        words = {WORDS: engine.EdgeSparseVectorParams(modifier=engine.Modifier.Idf)}
        graph = engine.HnswIndexConfig(hnsw.m, hnsw.ef_construct, hnsw.full_scan)
        config = engine.EdgeConfig(sparse_vectors=words, hnsw_config=graph, quantization_config=_quantization(hnsw))
        shard = engine.EdgeShard.create(str(path), config)
    except Exception as error:  # the engine raises plain Exception
        raise _opening_error(path, str(error)) from error
    edge = Edge(path, shard, hnsw)
    edge.declare(SYSTEM)
    return edge


def _opening_error(path: Path, reason: str) -> SnapfindError:
    """Convert an error of the engine. Only damaged files need a snapshot."""
    if "WouldBlock" in reason:
        holders = _holders(path / "wal")
        if os.getpid() in holders:
            return CatalogBusy(f"the index in {path} is open in this process already; close it there first")
        processes = ", ".join(map(str, holders)) or "unknown"
        return CatalogBusy(
            f"the index in {path} is still open in another process ({processes}), such as a forked child; end it first"
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
    """Return the processes that have a file of the folder open, on Linux."""
    processes = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if link.readlink().is_relative_to(folder):
                processes.add(int(link.parts[2]))
        except OSError:  # closed meanwhile, or of another user
            continue
    return sorted(processes)


def _check_disk(path: Path, least: int) -> None:
    """Raise NoRoom before the disk is full.

    The engine writes through memory maps, where a full disk ends the process by SIGBUS, even while it only reads.
    """
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    if shutil.disk_usage(there).free < least:
        raise NoRoom(f"less than {least >> 20} MB are free on the disk of {path}; free some space and run again")


class Edge(Index):
    """Index in a folder. Reads run in parallel, writes one at a time.

    Args:
        path: The folder.
        shard: Open shard of the engine.
        hnsw: Settings of the graph.
    """

    def __init__(self, path: Path, shard: engine.EdgeShard, hnsw: HnswConfig) -> None:
        self._path, self._hnsw = path, hnsw
        self._shard: engine.EdgeShard | None = shard
        self._writing = threading.Lock()
        self._process = os.getpid()
        self._bm25 = bm25()
        self._dims = self._read_dims()
        self._later: dict[str, tuple[str, Any]] = {}  # declared fields without an index: payload field and its type

    # ── schema and spaces ────────────────────────────────────────────────────────

    @override
    def declare(self, fields: Mapping[str, Kind]) -> None:
        with self._writing:
            known = self._declared()
            for name, kind in fields.items():
                field, schema = (IS + name if kind == "bool" else name), _SCHEMAS[kind]
                indexed = known.get(payload_key(field))
                if indexed is None and len(known) >= _EAGER:
                    self._later[name] = (field, schema)
                elif indexed != schema:
                    self._index_field(field, schema)
                    known[payload_key(field)] = schema

    def _index_field(self, field: str, schema: Any) -> None:
        self._update(engine.UpdateOperation.create_field_index(json_path(field), schema))

    def _index_later(self, names: Collection[str]) -> None:
        """Index fields that `declare` put off, at their first use. A filter without an index is slow."""
        if needed := self._later.keys() & names:
            with self._writing, suppress(NoRoom):
                for name in needed & self._later.keys():
                    self._index_field(*self._later[name])
                    del self._later[name]

    def _declared(self) -> dict[str, Any]:
        """Return the type of each indexed field by payload key. The engine lists some quoted paths without quotes."""
        return {path.strip('"'): own.data_type for path, own in self._open().info().payload_schema.items()}

    def add_space(self, space: str, dim: int, *, instead_of: Collection[str] = ()) -> None:
        """Add a space in the same shard, also if it will replace others."""
        with self._writing:
            known = self.spaces().get(space)
            if known is None:
                self._update(engine.UpdateOperation.create_dense_vector(space, dim, engine.Distance.Dot))
                self._dims = self._read_dims()
            elif known != dim:
                raise BadInput(f"space {space} has {known} dimensions, not {dim}; use another name")

    @override
    def drop_space(self, space: str) -> None:
        with self._writing:
            if space in self.spaces():
                self._update(engine.UpdateOperation.delete_vector_name(space))
                self._dims = self._read_dims()

    @override
    def spaces(self) -> Mapping[str, int]:
        self._open()
        return dict(self._dims)

    def publish(self, space: str) -> None:
        """Do nothing: no other program reads the folder."""

    def _read_dims(self) -> dict[str, int]:
        config = json.loads((self._path / "edge_config.json").read_bytes())
        return {name: int(vector["size"]) for name, vector in config.get("vectors", {}).items()}

    # ── writing ──────────────────────────────────────────────────────────────────

    @override
    def upsert(self, points: Sequence[Point]) -> None:
        self._check({space: vector for point in points for space, vector in point.vectors.items()})
        rows = []
        for point in points:
            vectors: dict[str, Any] = {space: vector.tolist() for space, vector in point.vectors.items()}
            rows.append(
                engine.Point(point.id, vectors | self._sparse(point.words), encode_payload(point.payload, point.words))
            )
        with self._writing:
            self._update(engine.UpdateOperation.upsert_points(rows))

    @override
    def put_vectors(self, space: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        self._check(dict.fromkeys([space], next(iter(vectors.values()))) if vectors else {})
        with self._writing:
            there = [point.id for point in self.get(list(vectors))]
            rows = [engine.PointVectors(key, {space: vectors[key].tolist()}) for key in there]
            if rows:
                self._update(engine.UpdateOperation.update_vectors(rows))

    @override
    def put_payload(self, ids: Sequence[str], payload: Mapping[str, Any], words: str | None = None) -> None:
        with self._writing:
            for point in self.get(ids):
                text = point.words if words is None else words
                self._update(engine.UpdateOperation.overwrite_payload([point.id], encode_payload(payload, text)))
                if words is None or words == point.words:
                    continue
                if sparse := self._sparse(words):
                    self._update(engine.UpdateOperation.update_vectors([engine.PointVectors(point.id, sparse)]))
                else:
                    self._update(engine.UpdateOperation.delete_vectors([point.id], [WORDS]))

    @override
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
        vector = self._bm25.embed_document(normalize_codes(words))
        return {WORDS: vector} if vector.indices else {}

    def _update(self, operation: Any) -> None:
        """Write to the engine. Raise NoRoom if the disk is full."""
        _check_disk(self._path, WRITING)
        try:
            self._open().update(operation)
        except Exception as error:
            if "No space left" in str(error):
                raise NoRoom("no room on the disk for the index; free some space and run again") from error
            if is_out_of_memory(error):
                raise OutOfMemory(f"not enough memory to write to the index; {FREE_MEMORY}") from error
            raise SnapfindError(f"the index refused a write: {error}") from error

    # ── reading ──────────────────────────────────────────────────────────────────

    @override
    def search(self, query: IndexQuery) -> list[IndexMatch]:
        if query.filter:
            self._index_later(query.filter.fields)
        if query.vector is not None:
            for vector in (query.vector, *query.more, *query.less):
                self._check({query.space: vector})
            engine_query = _dense(query.vector, query)
        else:
            sparse = self._bm25.embed_query(normalize_codes(query.words))
            if not sparse.indices:
                return []
            engine_query = engine.Query.Nearest(sparse, using=WORDS)
        end = query.offset + query.limit
        size = end + 8  # more than the limit, for equal scores and further pictures of a product
        while True:
            hits = self._nearest(engine_query, query, size)
            ranked = best_per_group(hits, query.group)
            # fetch more if there are too few groups yet, or equal scores at the end of the page
            tied = len(ranked) > end and hits[-1].score == ranked[end - 1].score
            if len(hits) < size or (len(ranked) >= end and not tied and hits[-1].score < ranked[end - 1].score):
                return ranked[query.offset : end]
            size *= 4

    def _nearest(self, engine_query: Any, query: IndexQuery, size: int) -> list[IndexMatch]:
        exact = query.exact and query.vector is not None
        rescoring = engine.QuantizationSearchParams(rescore=True, oversampling=self._hnsw.oversampling)
        selectivity = self._hnsw.acorn_selectivity
        acorn = engine.AcornSearchParams(query.filter is not None and selectivity > 0, selectivity)
        ef = self._hnsw.ef if query.filter is None else self._hnsw.ef_filtered
        params = engine.SearchParams(max(ef, size), exact, rescoring, acorn=acorn)
        request = engine.QueryRequest(
            limit=size,
            query=engine_query,
            filter=_condition(query.filter) if query.filter else None,
            with_payload=True,
            params=params,
        )
        points = self._open().query(request)
        scale = 1 + MORE * len(query.more)
        hits = [
            IndexMatch(str(point.id), float(point.score) / scale, decode_payload(point.payload)) for point in points
        ]
        return sorted(hits, key=lambda one: (-one.score, one.id))

    @override
    def get(self, ids: Sequence[str], *, vectors: bool = False) -> list[Point]:
        records = self._open().retrieve(list(ids), with_payload=True, with_vector=vectors) if ids else []
        points = {str(record.id): decode_point(record, vectors) for record in records}
        return [points[key] for key in ids if key in points]

    @override
    def scroll(
        self, where: Filter | None = None, *, after: str | None = None, limit: int = 256, vectors: bool = False
    ) -> Page:
        if where:
            self._index_later(where.fields)
        # the engine's offset is the first id of the page, even if that point was deleted
        request = engine.ScrollRequest(
            offset=after,
            limit=limit + 2,
            filter=_condition(where) if where else None,
            with_payload=True,
            with_vector=vectors,
        )
        records, _ = self._open().scroll(request)
        points = [decode_point(record, vectors) for record in records if str(record.id) != after]
        page = tuple(points[:limit])
        return Page(page, page[-1].id if len(points) > limit else None)

    @override
    def count(self, where: Filter | None = None) -> int:
        if where:
            self._index_later(where.fields)
        return self._open().count(engine.CountRequest(exact=True, filter=_condition(where) if where else None))

    @override
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
            pairs = list(count_values(self.scroll, name, where).items())
        return sorted(pairs, key=lambda pair: (-pair[1], str(pair[0])))[:limit]

    # ── the folder ───────────────────────────────────────────────────────────────

    @override
    def optimize(self) -> None:
        _check_disk(self._path, WRITING)
        self._open().optimize()
        self.flush()

    @override
    def flush(self) -> None:
        self._open().flush()

    @override
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
    """Condition classes of the engine, for filters."""

    FieldCondition = engine.FieldCondition
    Filter = engine.Filter
    IsEmptyCondition = engine.IsEmptyCondition
    MatchAny = engine.MatchAny
    RangeDateTime = engine.RangeDateTime
    RangeFloat = engine.RangeFloat

    @staticmethod
    def boolean(name: str, value: bool) -> engine.FieldCondition:
        """Return the condition that a field has a boolean value."""
        return engine.FieldCondition(json_path(IS + name), match=engine.MatchAny([bool_keyword(value)]))


def _dense(vector: NDArray[np.float32], query: IndexQuery) -> Any:
    """Build the query of a vector, with the examples of a recommendation scaled by their weights."""
    if not query.more and not query.less:
        return engine.Query.Nearest(vector.tolist(), using=query.space)
    right = [vector.tolist(), *((MORE * example).tolist() for example in query.more)]
    wrong = [(LESS * example).tolist() for example in query.less]
    return engine.Query.RecommendSumScores(engine.RecommendQuery(right, wrong), using=query.space)


def _quantization(hnsw: HnswConfig) -> Any:
    """Return int8 quantization in memory, or None."""
    if hnsw.quantile is None:
        return None
    return engine.ScalarQuantizationConfig(engine.ScalarType.Int8, quantile=hnsw.quantile, memory=engine.Memory.Cached)


def _condition(where: Filter | None) -> Any:
    if where is None:
        return engine.Filter()
    condition = where.condition(_Conditions)
    return condition if isinstance(condition, engine.Filter) else engine.Filter(must=[condition])


def _free_address_space() -> int | None:
    """Return the free address space in bytes under RLIMIT_AS. None: there is no limit, or it cannot be read."""
    if sys.platform != "linux":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        return None
    return max(0, limit - pages * resource.getpagesize())
