"""One collection on Qdrant servers: points, several named vectors each, words; shards by groups of categories or not.

The same engine as the embedded one, with the same graph (index/hnsw_config.py), reached by `qdrant-client`. What
differs from `edge.py`: a collection with groups keeps ids apart by group, so a point whose category went to another
group is written there first and removed from the others after; should that be cut short, two copies stay until the
point is written again, and every answer shows one. Ties and the values of numbers are mended here as in `edge.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snapfind.core.errors import BadInput, SnapfindError
from snapfind.core.types import Kind
from snapfind.index.base import LESS, MORE, Ask, Found, Page, Point, Where
from snapfind.index.bm25_text import spelled
from snapfind.index.filters import Filter
from snapfind.index.filters.operators import json_path, payload_key
from snapfind.index.hnsw_config import DEFAULT as GRAPH
from snapfind.index.point_encoding import IS, WORDS, bm25, grouped, payload_of, point_of, stored, tally
from snapfind.index.qdrant.conditions import Conditions
from snapfind.index.qdrant.servers import Servers
from snapfind.index.qdrant.sharding import group_of, groups_of, names

__all__ = ["Collection", "Shape", "make"]

_SCHEMAS: dict[Kind, str] = {
    "text": "keyword",
    "list": "keyword",
    "number": "float",
    "bool": "keyword",  # of the shadow field, as in the embedded engine
    "date": "datetime",
}
_BATCH = 256  # points of a write in one request


@dataclass(frozen=True, slots=True)
class Shape:
    """How a collection lies on the servers: shards (of each group, where there are groups), copies of each shard,
    copies that must have a write before it returns, and groups of categories (0: none, points lie anywhere)."""

    shards: int = 1
    replicas: int = 1
    consistency: int = 1
    groups: int = 0


def make(servers: Servers, name: str, spaces: Mapping[str, int], shape: Shape) -> "Collection":
    """A new collection with these spaces (id -> dim)."""
    from qdrant_client import models

    servers.ask(
        "create_collection",
        name,
        vectors_config={
            space: models.VectorParams(size=dim, distance=models.Distance.DOT) for space, dim in spaces.items()
        },
        sparse_vectors_config={WORDS: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        hnsw_config=models.HnswConfigDiff(m=GRAPH.links, ef_construct=GRAPH.build, full_scan_threshold=GRAPH.full_scan),
        quantization_config=models.ScalarQuantization(
            scalar=models.ScalarQuantizationConfig(
                type=models.ScalarType.INT8, quantile=GRAPH.quantile, always_ram=True
            )
        ),
        sharding_method=models.ShardingMethod.CUSTOM if shape.groups else None,
        shard_number=shape.shards,
        replication_factor=shape.replicas,
        write_consistency_factor=shape.consistency,
    )
    try:
        for group in names(shape.groups):
            servers.ask("create_shard_key", name, group)
    except SnapfindError:
        servers.ask("delete_collection", name)
        raise
    return Collection(servers, name)


class Collection:
    """A collection that is there. Its layout is read when it is opened; any thread may ask, one writes at a time."""

    def __init__(self, servers: Servers, name: str) -> None:
        from qdrant_client import models

        self.name, self._servers, self._models = name, servers, models
        self._bm25 = bm25()
        self._conditions = Conditions(models)
        self._read_layout()

    def _read_layout(self) -> None:
        told = self._ask("get_collection")
        params = told.config.params
        self.spaces: dict[str, int] = {name: int(own.size) for name, own in (params.vectors or {}).items()}
        # by payload key: servers list some quoted paths without their quotes
        self._kinds = {path.strip('"'): own.data_type.value for path, own in (told.payload_schema or {}).items()}
        self.holds_words = WORDS in (params.sparse_vectors or {})  # as every collection made here, and few others
        custom = params.sharding_method == self._models.ShardingMethod.CUSTOM
        keys = self._ask("list_shard_keys").shard_keys if custom else []
        self.shape = Shape(
            params.shard_number or 1, params.replication_factor or 1, params.write_consistency_factor or 1, len(keys)
        )

    # ── schema and spaces ────────────────────────────────────────────────────────

    def declare(self, fields: Mapping[str, Kind]) -> None:
        """As `Index.declare`."""
        wanted = {IS + name if kind == "bool" else name: _SCHEMAS[kind] for name, kind in fields.items()}
        new = {name: schema for name, schema in wanted.items() if self._kinds.get(payload_key(name)) != schema}
        for name, schema in new.items():
            self._ask("create_payload_index", field_name=json_path(name), field_schema=schema, wait=True)
        if new:
            self._read_layout()

    def take_fields(self, other: "Collection") -> None:
        """Make the fields filterable that are so in another collection."""
        for key, schema in other._kinds.items():
            self._ask("create_payload_index", field_name=json_path(key), field_schema=schema, wait=True)
        self._read_layout()

    def add_space(self, space: str, dim: int) -> None:
        """Room for vectors of a space that is not there."""
        models = self._models
        dense = models.DenseVectorConfig(size=dim, distance=models.Distance.DOT)
        config = models.DenseVectorNameConfig(dense=dense)
        self._ask("create_vector_name", vector_name=space, vector_name_config=config)
        self._read_layout()

    def drop_space(self, space: str) -> None:
        """Forget the vectors of a space that is there."""
        self._ask("delete_vector_name", vector_name=space)
        self._read_layout()

    def check(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Raises BadInput for a space that is not here, or a vector that does not fit it."""
        for space, vector in vectors.items():
            if space not in self.spaces:
                raise BadInput(f"the index has no space {space!r}; add it first")
            if vector.shape != (self.spaces[space],):
                raise BadInput(f"space {space} takes ({self.spaces[space]},) vectors, not {vector.shape}")

    # ── writing ──────────────────────────────────────────────────────────────────

    def upsert(self, points: Sequence[Point]) -> None:
        """As `Index.upsert`; vectors of spaces that are not here are left out."""
        known = self._there([point.id for point in points]) if self.shape.groups > 1 else set()
        for group, own in self._parted((self._group(point.payload), point) for point in points).items():
            rows = [self._row(point) for point in own]
            for start in range(0, len(rows), _BATCH):
                self._ask("upsert", points=rows[start : start + _BATCH], wait=True, **_within(group))
            if moved := [point.id for point in own if point.id in known]:
                others = [name for name in names(self.shape.groups) if name != group]
                self._ask("delete", points_selector=moved, wait=True, shard_key_selector=others)

    def _row(self, point: Point) -> Any:
        vectors: dict[str, Any] = {
            space: vector.tolist() for space, vector in point.vectors.items() if space in self.spaces
        }
        payload = stored(point.payload, point.words)
        return self._models.PointStruct(id=point.id, vector=vectors | self._sparse(point.words), payload=payload)

    def put_vectors(self, space: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """As `Index.put_vectors`."""
        there = self.get(list(vectors))
        for group, own in self._parted((self._group(point.payload), point) for point in there).items():
            rows = [self._models.PointVectors(id=one.id, vector={space: vectors[one.id].tolist()}) for one in own]
            self._ask("update_vectors", points=rows, wait=True, **_within(group))

    def put_payload(self, ids: Sequence[str], payload: Mapping[str, Any], words: str | None = None) -> None:
        """As `Index.put_payload`."""
        group = self._group(payload)
        for point in self.get(ids, vectors=bool(self.shape.groups)):
            said = point.words if words is None else words
            if self._group(point.payload) == group:
                self._overwrite(point, payload, said, group)
            else:
                self.upsert([replace(point, payload=payload, words=said)])

    def _overwrite(self, point: Point, payload: Mapping[str, Any], words: str, group: str | None) -> None:
        self._ask("overwrite_payload", payload=stored(payload, words), points=[point.id], wait=True, **_within(group))
        if words == point.words:
            return
        if sparse := self._sparse(words):
            rows = [self._models.PointVectors(id=point.id, vector=sparse)]
            self._ask("update_vectors", points=rows, wait=True, **_within(group))
        else:
            self._ask("delete_vectors", vectors=[WORDS], points=[point.id], wait=True, **_within(group))

    def delete(self, where: Where) -> int:
        """As `Index.delete`."""
        if where is None or isinstance(where, Filter):
            count = self.count(where)
            chosen: Any = self._condition(where) or self._models.Filter()
        else:
            chosen = sorted(self._there(where))
            count = len(chosen)
        if count:
            every = names(self.shape.groups)
            self._ask("delete", points_selector=chosen, wait=True, **_within(every))
        return count

    def _there(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids that are known, in any group."""
        unique = list(dict.fromkeys(ids))
        records = self._ask("retrieve", ids=unique, with_payload=False, with_vectors=False) if unique else []
        return {str(record.id) for record in records}

    def _group(self, payload: Mapping[str, Any]) -> str | None:
        return group_of(payload.get("category"), self.shape.groups) if self.shape.groups else None

    @staticmethod
    def _parted(pairs: Iterable[tuple[str | None, Point]]) -> dict[str | None, list[Point]]:
        found: dict[str | None, list[Point]] = {}
        for group, point in pairs:
            found.setdefault(group, []).append(point)
        return found

    def _sparse(self, words: str) -> dict[str, Any]:
        vector = self._bm25.embed_document(spelled(words))
        if not vector.indices:
            return {}
        return {WORDS: self._models.SparseVector(indices=list(vector.indices), values=list(vector.values))}

    # ── reading ──────────────────────────────────────────────────────────────────

    def search(self, ask: Ask) -> list[Found]:
        """As `Index.search`."""
        query = self._query(ask)
        if query is None:
            return []
        wanted = ask.offset + ask.limit
        size = wanted + 8  # room for the first ties and second pictures
        while True:
            found = self._nearest(query, ask, size)
            ranked = grouped(found, ask.group)
            # more may be hidden behind the last: too few groups yet, or a tie across the edge of what was asked for
            if len(found) < size or (len(ranked) >= wanted and found[-1].score < ranked[wanted - 1].score):
                return ranked[ask.offset : wanted]
            size *= 4

    def _query(self, ask: Ask) -> Any:
        """What the server is asked; None for words of which nothing is left."""
        models = self._models
        if ask.vector is None:
            sparse = self._bm25.embed_query(spelled(ask.words))
            if not sparse.indices:
                return None
            return models.SparseVector(indices=list(sparse.indices), values=list(sparse.values))
        for vector in (ask.vector, *ask.more, *ask.less):
            self.check({ask.space: vector})
        if not ask.more and not ask.less:
            return ask.vector.tolist()
        right = [ask.vector.tolist(), *((MORE * example).tolist() for example in ask.more)]
        wrong = [(LESS * example).tolist() for example in ask.less]
        told = models.RecommendInput(positive=right, negative=wrong, strategy=models.RecommendStrategy.SUM_SCORES)
        return models.RecommendQuery(recommend=told)

    def _nearest(self, query: Any, ask: Ask, size: int) -> list[Found]:
        models, parted = self._models, ask.filter is not None
        reply = self._ask(
            "query_points",
            query=query,
            using=ask.space if ask.vector is not None else WORDS,
            query_filter=self._condition(ask.filter),
            search_params=models.SearchParams(
                hnsw_ef=max(GRAPH.filtered if parted else GRAPH.breadth, size),
                exact=ask.exact and ask.vector is not None,
                quantization=models.QuantizationSearchParams(rescore=True, oversampling=GRAPH.spare),
                acorn=models.AcornSearchParams(enable=parted and GRAPH.around > 0, max_selectivity=GRAPH.around),
            ),
            limit=size,
            with_payload=True,
            **self._where(ask.filter),
        )
        scale = 1 + MORE * len(ask.more)
        found = [Found(str(point.id), float(point.score) / scale, payload_of(point.payload)) for point in reply.points]
        return sorted(found, key=lambda one: (-one.score, one.id))

    def get(self, ids: Sequence[str], *, vectors: bool = False) -> list[Point]:
        """As `Index.get`."""
        records = self._ask("retrieve", ids=list(ids), with_payload=True, with_vectors=vectors) if ids else []
        points = {str(record.id): point_of(record, vectors) for record in records}
        return [points[found] for found in ids if found in points]

    def scroll(
        self, where: Filter | None = None, *, after: str | None = None, limit: int = 256, vectors: bool = False
    ) -> Page:
        """As `Index.scroll`."""
        records, following = self._ask(
            "scroll",
            scroll_filter=self._condition(where),
            offset=after,
            limit=limit + 2,
            with_payload=True,
            with_vectors=vectors,
            **self._where(where),
        )
        points = {str(record.id): point_of(record, vectors) for record in records if str(record.id) != after}
        shown = tuple(points.values())[:limit]
        more = following is not None or len(points) > limit
        return Page(shown, shown[-1].id if shown and more else None)

    def count(self, where: Filter | None = None) -> int:
        """As `Index.count`."""
        return int(self._ask("count", count_filter=self._condition(where), exact=True, **self._where(where)).count)

    def facets(self, name: str, where: Filter | None = None) -> list[tuple[Any, int]]:
        """Values of a field and how many points have each, in any order."""
        field = IS + name if payload_key(IS + name) in self._kinds else name
        if self._kinds.get(payload_key(field)) != "keyword":
            return list(tally(self.scroll, name, where).items())
        condition = self._condition(where)
        key = json_path(field)
        reply = self._ask("facet", key=key, facet_filter=condition, limit=1_000_000, exact=True, **self._where(where))
        truths = {"true": True, "false": False} if field == IS + name else {}
        return [(truths.get(str(hit.value), hit.value), hit.count) for hit in reply.hits]

    def _where(self, where: Filter | None) -> dict[str, Any]:
        """The shard keys that a filter leaves, as an argument; none where it leaves all."""
        return _within(groups_of(where, self.shape.groups)) if self.shape.groups else {}

    def _condition(self, where: Filter | None) -> Any:
        if where is None:
            return None
        condition = where.condition(self._conditions)
        filter = self._models.Filter
        return condition if isinstance(condition, filter) else filter(must=[condition])

    def _ask(self, verb: str, **given: Any) -> Any:
        return self._servers.ask(verb, self.name, **given)


def _within(groups: str | Sequence[str] | None) -> dict[str, Any]:
    return {"shard_key_selector": groups} if groups else {}
