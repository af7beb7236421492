"""One collection on Qdrant servers, optionally sharded by groups of categories.

It is the engine of the embedded index, with the same graph (index/hnsw_config.py), through `qdrant-client`. In a
collection with groups, ids are unique only within a group. So a point whose category moves to another group is written
there first and then deleted from the others. If that is interrupted, there are two copies until the point is written
again, and every answer has one of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snapfind.core.errors import BadInput, SnapfindError
from snapfind.core.types import Kind
from snapfind.index.base import LESS, MORE, IndexMatch, IndexQuery, Page, Point, Where
from snapfind.index.bm25_text import normalize_codes
from snapfind.index.filters import Filter
from snapfind.index.filters.operators import json_path, payload_key
from snapfind.index.hnsw_config import DEFAULT as HNSW
from snapfind.index.point_encoding import (
    IS,
    WORDS,
    best_per_group,
    bm25,
    count_values,
    decode_payload,
    decode_point,
    encode_payload,
)
from snapfind.index.qdrant.conditions import Conditions
from snapfind.index.qdrant.servers import Servers
from snapfind.index.qdrant.sharding import group_names, group_of, groups_of

__all__ = ["Collection", "CollectionLayout", "make"]

_SCHEMAS: dict[Kind, str] = {
    "text": "keyword",
    "list": "keyword",
    "number": "float",
    "bool": "keyword",  # of the shadow field, as in the embedded engine
    "date": "datetime",
}
_BATCH = 256  # points of a write in one request


@dataclass(frozen=True, slots=True)
class CollectionLayout:
    """Layout of a collection on the servers.

    Attributes:
        shards: Number of shards, per group if there are groups.
        replicas: Copies of each shard.
        consistency: Copies that must have a write before it returns.
        groups: Groups of categories, each with its own shards. 0: no groups.
    """

    shards: int = 1
    replicas: int = 1
    consistency: int = 1
    groups: int = 0


def make(servers: Servers, name: str, spaces: Mapping[str, int], shape: CollectionLayout) -> "Collection":
    """Create a collection.

    Args:
        servers: The servers.
        name: Name of the collection.
        spaces: Space id -> dimensions.
        shape: Layout on the servers.

    Returns:
        The collection.
    """
    from qdrant_client import models

    servers.ask(
        "create_collection",
        name,
        vectors_config={
            space: models.VectorParams(size=dim, distance=models.Distance.DOT) for space, dim in spaces.items()
        },
        sparse_vectors_config={WORDS: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        hnsw_config=models.HnswConfigDiff(m=HNSW.m, ef_construct=HNSW.ef_construct, full_scan_threshold=HNSW.full_scan),
        quantization_config=models.ScalarQuantization(
            scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=HNSW.quantile, always_ram=True)
        ),
        sharding_method=models.ShardingMethod.CUSTOM if shape.groups else None,
        shard_number=shape.shards,
        replication_factor=shape.replicas,
        write_consistency_factor=shape.consistency,
    )
    try:
        for group in group_names(shape.groups):
            servers.ask("create_shard_key", name, group)
    except SnapfindError:
        servers.ask("delete_collection", name)
        raise
    return Collection(servers, name)


class Collection:
    """An existing collection. Any thread may read, one may write at a time.

    Args:
        servers: The servers.
        name: Name of the collection.
    """

    def __init__(self, servers: Servers, name: str) -> None:
        from qdrant_client import models

        self.name, self._servers, self._models = name, servers, models
        self._bm25 = bm25()
        self._conditions = Conditions(models)
        self._read_layout()

    def _read_layout(self) -> None:
        info = self._ask("get_collection")
        params = info.config.params
        self.spaces: dict[str, int] = {name: int(own.size) for name, own in (params.vectors or {}).items()}
        # by payload key: servers list some quoted paths without their quotes
        self._kinds = {path.strip('"'): own.data_type.value for path, own in (info.payload_schema or {}).items()}
        self.holds_words = WORDS in (params.sparse_vectors or {})  # of all made by snapfind, and few others
        custom = params.sharding_method == self._models.ShardingMethod.CUSTOM
        keys = self._ask("list_shard_keys").shard_keys if custom else []
        self.shape = CollectionLayout(
            params.shard_number or 1, params.replication_factor or 1, params.write_consistency_factor or 1, len(keys)
        )

    # ── schema and spaces ────────────────────────────────────────────────────────

    def declare(self, fields: Mapping[str, Kind]) -> None:
        """As `Index.declare`."""
        schemas = {IS + name if kind == "bool" else name: _SCHEMAS[kind] for name, kind in fields.items()}
        new = {name: schema for name, schema in schemas.items() if self._kinds.get(payload_key(name)) != schema}
        for name, schema in new.items():
            self._ask("create_payload_index", field_name=json_path(name), field_schema=schema, wait=True)
        if new:
            self._read_layout()

    def copy_fields(self, other: "Collection") -> None:
        """Index the fields that another collection indexes.

        Args:
            other: The other collection.
        """
        for key, schema in other._kinds.items():
            self._ask("create_payload_index", field_name=json_path(key), field_schema=schema, wait=True)
        self._read_layout()

    def add_space(self, space: str, dim: int) -> None:
        """Add a new space.

        Args:
            space: Id of the space.
            dim: Dimensions of its vectors.
        """
        models = self._models
        dense = models.DenseVectorConfig(size=dim, distance=models.Distance.DOT)
        config = models.DenseVectorNameConfig(dense=dense)
        self._ask("create_vector_name", vector_name=space, vector_name_config=config)
        self._read_layout()

    def drop_space(self, space: str) -> None:
        """Delete the vectors of an existing space.

        Args:
            space: Id of the space.
        """
        self._ask("delete_vector_name", vector_name=space)
        self._read_layout()

    def check(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Check vectors before they are written or searched.

        Args:
            vectors: Space id -> vector.

        Raises:
            BadInput: The space does not exist, or the vector has another dimension.
        """
        for space, vector in vectors.items():
            if space not in self.spaces:
                raise BadInput(f"the index has no space {space!r}; add it first")
            if vector.shape != (self.spaces[space],):
                raise BadInput(f"space {space} takes ({self.spaces[space]},) vectors, not {vector.shape}")

    # ── writing ──────────────────────────────────────────────────────────────────

    def upsert(self, points: Sequence[Point]) -> None:
        """As `Index.upsert`. Vectors of other spaces are ignored."""
        known = self._there([point.id for point in points]) if self.shape.groups > 1 else set()
        for group, own in self._by_group((self._group(point.payload), point) for point in points).items():
            rows = [self._row(point) for point in own]
            for start in range(0, len(rows), _BATCH):
                self._ask("upsert", points=rows[start : start + _BATCH], wait=True, **_within(group))
            if moved := [point.id for point in own if point.id in known]:
                others = [name for name in group_names(self.shape.groups) if name != group]
                self._ask("delete", points_selector=moved, wait=True, shard_key_selector=others)

    def _row(self, point: Point) -> Any:
        vectors: dict[str, Any] = {
            space: vector.tolist() for space, vector in point.vectors.items() if space in self.spaces
        }
        payload = encode_payload(point.payload, point.words)
        return self._models.PointStruct(id=point.id, vector=vectors | self._sparse(point.words), payload=payload)

    def put_vectors(self, space: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """As `Index.put_vectors`."""
        there = self.get(list(vectors))
        for group, own in self._by_group((self._group(point.payload), point) for point in there).items():
            rows = [self._models.PointVectors(id=one.id, vector={space: vectors[one.id].tolist()}) for one in own]
            self._ask("update_vectors", points=rows, wait=True, **_within(group))

    def put_payload(self, ids: Sequence[str], payload: Mapping[str, Any], words: str | None = None) -> None:
        """As `Index.put_payload`."""
        group = self._group(payload)
        for point in self.get(ids, vectors=bool(self.shape.groups)):
            text = point.words if words is None else words
            if self._group(point.payload) == group:
                self._overwrite(point, payload, text, group)
            else:
                self.upsert([replace(point, payload=payload, words=text)])

    def _overwrite(self, point: Point, payload: Mapping[str, Any], words: str, group: str | None) -> None:
        self._ask(
            "overwrite_payload", payload=encode_payload(payload, words), points=[point.id], wait=True, **_within(group)
        )
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
            every = group_names(self.shape.groups)
            self._ask("delete", points_selector=chosen, wait=True, **_within(every))
        return count

    def _there(self, ids: Sequence[str]) -> set[str]:
        """Return the ids that exist in any group."""
        unique = list(dict.fromkeys(ids))
        records = self._ask("retrieve", ids=unique, with_payload=False, with_vectors=False) if unique else []
        return {str(record.id) for record in records}

    def _group(self, payload: Mapping[str, Any]) -> str | None:
        return group_of(payload.get("category"), self.shape.groups) if self.shape.groups else None

    @staticmethod
    def _by_group(pairs: Iterable[tuple[str | None, Point]]) -> dict[str | None, list[Point]]:
        points: dict[str | None, list[Point]] = {}
        for group, point in pairs:
            points.setdefault(group, []).append(point)
        return points

    def _sparse(self, words: str) -> dict[str, Any]:
        vector = self._bm25.embed_document(normalize_codes(words))
        if not vector.indices:
            return {}
        return {WORDS: self._models.SparseVector(indices=list(vector.indices), values=list(vector.values))}

    # ── reading ──────────────────────────────────────────────────────────────────

    def search(self, query: IndexQuery) -> list[IndexMatch]:
        """As `Index.search`."""
        engine_query = self._engine_query(query)
        if engine_query is None:
            return []
        end = query.offset + query.limit
        size = end + 8  # more than the limit, for equal scores and further pictures of a product
        while True:
            hits = self._nearest(engine_query, query, size)
            ranked = best_per_group(hits, query.group)
            # fetch more if there are too few groups yet, or equal scores at the end of the page
            if len(hits) < size or (len(ranked) >= end and hits[-1].score < ranked[end - 1].score):
                return ranked[query.offset : end]
            size *= 4

    def _engine_query(self, query: IndexQuery) -> Any:
        """Build the query. Return None if the text has no tokens."""
        models = self._models
        if query.vector is None:
            sparse = self._bm25.embed_query(normalize_codes(query.words))
            if not sparse.indices:
                return None
            return models.SparseVector(indices=list(sparse.indices), values=list(sparse.values))
        for vector in (query.vector, *query.more, *query.less):
            self.check({query.space: vector})
        if not query.more and not query.less:
            return query.vector.tolist()
        right = [query.vector.tolist(), *((MORE * example).tolist() for example in query.more)]
        wrong = [(LESS * example).tolist() for example in query.less]
        examples = models.RecommendInput(positive=right, negative=wrong, strategy=models.RecommendStrategy.SUM_SCORES)
        return models.RecommendQuery(recommend=examples)

    def _nearest(self, engine_query: Any, query: IndexQuery, size: int) -> list[IndexMatch]:
        models, filtered = self._models, query.filter is not None
        reply = self._ask(
            "query_points",
            query=engine_query,
            using=query.space if query.vector is not None else WORDS,
            query_filter=self._condition(query.filter),
            search_params=models.SearchParams(
                hnsw_ef=max(HNSW.ef_filtered if filtered else HNSW.ef, size),
                exact=query.exact and query.vector is not None,
                quantization=models.QuantizationSearchParams(rescore=True, oversampling=HNSW.oversampling),
                acorn=models.AcornSearchParams(
                    enable=filtered and HNSW.acorn_selectivity > 0, max_selectivity=HNSW.acorn_selectivity
                ),
            ),
            limit=size,
            with_payload=True,
            **self._where(query.filter),
        )
        scale = 1 + MORE * len(query.more)
        hits = [
            IndexMatch(str(point.id), float(point.score) / scale, decode_payload(point.payload))
            for point in reply.points
        ]
        return sorted(hits, key=lambda one: (-one.score, one.id))

    def get(self, ids: Sequence[str], *, vectors: bool = False) -> list[Point]:
        """As `Index.get`."""
        records = self._ask("retrieve", ids=list(ids), with_payload=True, with_vectors=vectors) if ids else []
        points = {str(record.id): decode_point(record, vectors) for record in records}
        return [points[key] for key in ids if key in points]

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
        points = {str(record.id): decode_point(record, vectors) for record in records if str(record.id) != after}
        page = tuple(points.values())[:limit]
        more = following is not None or len(points) > limit
        return Page(page, page[-1].id if page and more else None)

    def count(self, where: Filter | None = None) -> int:
        """As `Index.count`."""
        return int(self._ask("count", count_filter=self._condition(where), exact=True, **self._where(where)).count)

    def facets(self, name: str, where: Filter | None = None) -> list[tuple[Any, int]]:
        """Count the values of a field.

        Args:
            name: Field.
            where: Filter, or None for all points.

        Returns:
            Pairs of value and number of points, in any order.
        """
        field = IS + name if payload_key(IS + name) in self._kinds else name
        if self._kinds.get(payload_key(field)) != "keyword":
            return list(count_values(self.scroll, name, where).items())
        condition = self._condition(where)
        key = json_path(field)
        reply = self._ask("facet", key=key, facet_filter=condition, limit=1_000_000, exact=True, **self._where(where))
        truths = {"true": True, "false": False} if field == IS + name else {}
        return [(truths.get(str(hit.value), hit.value), hit.count) for hit in reply.hits]

    def _where(self, where: Filter | None) -> dict[str, Any]:
        """Return the shard keys that can match a filter as an argument, or no argument for all."""
        return _within(groups_of(where, self.shape.groups)) if self.shape.groups else {}

    def _condition(self, where: Filter | None) -> Any:
        if where is None:
            return None
        condition = where.condition(self._conditions)
        filter = self._models.Filter
        return condition if isinstance(condition, filter) else filter(must=[condition])

    def _ask(self, method: str, **arguments: Any) -> Any:
        return self._servers.ask(method, self.name, **arguments)


def _within(groups: str | Sequence[str] | None) -> dict[str, Any]:
    return {"shard_key_selector": groups} if groups else {}
