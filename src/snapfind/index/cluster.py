"""The Index of many machines: a collection on Qdrant servers, for catalogues that outgrow one folder.

The same engine as the embedded one, reached by `qdrant-client` (extra `cluster`): `qdrant://HOST:6333/NAME`, or
`qdrants://` for TLS. A key comes from SNAPFIND_QDRANT_KEY. Shards and replicas are set when the collection is made; a
write returns when `consistency` replicas have it. `qdrant+path:///FOLDER/NAME` opens the client's own local mode, which
is a full scan for one thread: for trials and tests.

What differs from `edge.py`: grouping and every kind of facet are the server's affair, but the values of numbers are not
facetted there either, and ties come in any order, so both are mended here.
"""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from snapfind.errors import BadInput, ExtraMissing, NotReady, SnapfindError
from snapfind.index.filters import Filter
from snapfind.index.filters.operators import json_path
from snapfind.index.payload import SYSTEM
from snapfind.index.port import LESS, MORE, Ask, Found, Page, Point, Where
from snapfind.index.stored import IS, WORDS, bm25, grouped, keyword, payload_of, point_of, stored, tally
from snapfind.index.words import spelled
from snapfind.types import Kind

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

__all__ = ["Cluster", "connect", "open"]

T = TypeVar("T")
_SCHEMAS: dict[Kind, str] = {
    "text": "keyword",
    "list": "keyword",
    "number": "float",
    "bool": "keyword",  # of the shadow field, as in the embedded engine
    "date": "datetime",
}
_EF, _BATCH, _TIMEOUT = 128, 256, 60  # a write in one request; seconds


def connect(address: str) -> tuple["QdrantClient", str]:
    """A client and the name of the collection, for `qdrant://HOST:PORT/NAME`. Raises BadInput, ExtraMissing."""
    parts = urlsplit(address)
    folder, _, name = parts.path.rpartition("/")
    local = parts.scheme == "qdrant+path" and folder
    if not name or (not local and (parts.scheme not in {"qdrant", "qdrants"} or not parts.hostname or folder)):
        raise BadInput(f"{address[:80]!r}: write qdrant://HOST:6333/NAME, or qdrants:// for TLS", field="address")
    try:
        from qdrant_client import QdrantClient
    except ImportError:
        raise ExtraMissing("a cluster needs qdrant-client: pip install 'snapfind[cluster]'") from None
    if local:
        return QdrantClient(path=folder), name
    scheme = "https" if parts.scheme == "qdrants" else "http"
    key = os.environ.get("SNAPFIND_QDRANT_KEY") or None
    url = f"{scheme}://{parts.hostname}:{parts.port or 6333}"
    return QdrantClient(url=url, api_key=key, timeout=_TIMEOUT, check_compatibility=False), name


def open(client: "QdrantClient", name: str, *, shards: int = 1, replicas: int = 1, consistency: int = 1) -> "Cluster":
    """The collection of that name (or alias), made where there is none. Raises NotReady where no server answers."""
    from qdrant_client import models

    cluster = Cluster(client, name)
    if not cluster.said(lambda: client.collection_exists(name)):
        cluster.said(
            lambda: client.create_collection(
                name,
                vectors_config={},
                sparse_vectors_config={WORDS: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                hnsw_config=models.HnswConfigDiff(m=16, ef_construct=128, full_scan_threshold=10_000),
                shard_number=shards,
                replication_factor=replicas,
                write_consistency_factor=consistency,
            )
        )
        cluster.declare(SYSTEM)
    return cluster


class Cluster:
    """An Index on servers. Any thread may call it; writes of one process go one at a time."""

    def __init__(self, client: "QdrantClient", name: str) -> None:
        from qdrant_client import models

        self._client: QdrantClient | None = client
        self._name, self._models = name, models
        self._writing = threading.RLock()
        self._bm25 = bm25()
        self._conditions = _Conditions(models)

    # ── schema and spaces ────────────────────────────────────────────────────────

    def declare(self, fields: Mapping[str, Kind]) -> None:
        known = self._info().payload_schema or {}
        with self._writing:
            for name, kind in fields.items():
                path = json_path(IS + name if kind == "bool" else name)
                if path not in known or known[path].data_type.value != _SCHEMAS[kind]:
                    self._ask("create_payload_index", field_name=path, field_schema=_SCHEMAS[kind], wait=True)

    def add_space(self, space: str, dim: int) -> None:
        known = self.spaces().get(space)
        if known is None:
            models = self._models
            config = models.DenseVectorNameConfig(
                dense=models.DenseVectorConfig(size=dim, distance=models.Distance.DOT)
            )
            self._ask("create_vector_name", vector_name=space, vector_name_config=config)
        elif known != dim:
            raise BadInput(f"space {space} has {known} dimensions, not {dim}; use another name")

    def drop_space(self, space: str) -> None:
        if space in self.spaces():
            self._ask("delete_vector_name", vector_name=space)

    def spaces(self) -> Mapping[str, int]:
        vectors = self._info().config.params.vectors or {}
        return {name: int(own.size) for name, own in vectors.items()}

    # ── writing ──────────────────────────────────────────────────────────────────

    def upsert(self, points: Sequence[Point]) -> None:
        self._check({space: vector for point in points for space, vector in point.vectors.items()})
        models = self._models
        rows = []
        for point in points:
            vectors: dict[str, Any] = {space: vector.tolist() for space, vector in point.vectors.items()}
            payload = stored(point.payload, point.words)
            rows.append(models.PointStruct(id=point.id, vector=vectors | self._sparse(point.words), payload=payload))
        with self._writing:
            for start in range(0, len(rows), _BATCH):
                self._ask("upsert", points=rows[start : start + _BATCH], wait=True)

    def put_vectors(self, space: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        self._check(dict.fromkeys([space], next(iter(vectors.values()))) if vectors else {})
        with self._writing:
            there = [point.id for point in self.get(list(vectors))]
            rows = [self._models.PointVectors(id=one, vector={space: vectors[one].tolist()}) for one in there]
            if rows:
                self._ask("update_vectors", points=rows, wait=True)

    def put_payload(self, ids: Sequence[str], payload: Mapping[str, Any], words: str | None = None) -> None:
        with self._writing:
            for point in self.get(ids):
                said = point.words if words is None else words
                self._ask("overwrite_payload", payload=stored(payload, said), points=[point.id], wait=True)
                if said == point.words:
                    continue
                if sparse := self._sparse(said):
                    rows = [self._models.PointVectors(id=point.id, vector=sparse)]
                    self._ask("update_vectors", points=rows, wait=True)
                else:
                    self._ask("delete_vectors", vectors=[WORDS], points=[point.id], wait=True)

    def delete(self, where: Where) -> int:
        models = self._models
        with self._writing:
            if where is None or isinstance(where, Filter):
                count = self.count(where)
                chosen: Any = models.FilterSelector(filter=self._condition(where) or models.Filter())
            else:
                there = [point.id for point in self.get(list(dict.fromkeys(where)))]
                count, chosen = len(there), models.PointIdsList(points=list(there))
            if count:
                self._ask("delete", points_selector=chosen, wait=True)
            return count

    def _sparse(self, words: str) -> dict[str, Any]:
        vector = self._bm25.embed_document(spelled(words))
        if not vector.indices:
            return {}
        return {WORDS: self._models.SparseVector(indices=list(vector.indices), values=list(vector.values))}

    # ── reading ──────────────────────────────────────────────────────────────────

    def search(self, ask: Ask) -> list[Found]:
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
            self._open()
            return (
                models.SparseVector(indices=list(sparse.indices), values=list(sparse.values))
                if sparse.indices
                else None
            )
        for vector in (ask.vector, *ask.more, *ask.less):
            self._check({ask.space: vector})
        if not ask.more and not ask.less:
            return ask.vector.tolist()
        right = [ask.vector.tolist(), *((MORE * example).tolist() for example in ask.more)]
        wrong = [(LESS * example).tolist() for example in ask.less]
        told = models.RecommendInput(positive=right, negative=wrong, strategy=models.RecommendStrategy.SUM_SCORES)
        return models.RecommendQuery(recommend=told)

    def _nearest(self, query: Any, ask: Ask, size: int) -> list[Found]:
        reply = self._ask(
            "query_points",
            query=query,
            using=ask.space if ask.vector is not None else WORDS,
            query_filter=self._condition(ask.filter),
            search_params=self._models.SearchParams(hnsw_ef=max(_EF, size), exact=ask.exact and ask.vector is not None),
            limit=size,
            with_payload=True,
        )
        scale = 1 + MORE * len(ask.more)
        found = [Found(str(point.id), float(point.score) / scale, payload_of(point.payload)) for point in reply.points]
        return sorted(found, key=lambda one: (-one.score, one.id))

    def get(self, ids: Sequence[str], *, vectors: bool = False) -> list[Point]:
        self._open()
        records = self._ask("retrieve", ids=list(ids), with_payload=True, with_vectors=vectors) if ids else []
        points = {str(record.id): point_of(record, vectors) for record in records}
        return [points[found] for found in ids if found in points]

    def scroll(
        self, where: Filter | None = None, *, after: str | None = None, limit: int = 256, vectors: bool = False
    ) -> Page:
        records, _ = self._ask(
            "scroll",
            scroll_filter=self._condition(where),
            offset=after,
            limit=limit + 2,
            with_payload=True,
            with_vectors=vectors,
        )
        points = [point_of(record, vectors) for record in records if str(record.id) != after]
        shown = tuple(points[:limit])
        return Page(shown, shown[-1].id if len(points) > limit else None)

    def count(self, where: Filter | None = None) -> int:
        return int(self._ask("count", count_filter=self._condition(where), exact=True).count)

    def facets(self, name: str, where: Filter | None = None, limit: int = 100) -> list[tuple[Any, int]]:
        known = self._info().payload_schema or {}
        path = json_path(IS + name) if json_path(IS + name) in known else json_path(name)
        if path in known and known[path].data_type.value == "keyword":
            reply = self._ask("facet", key=path, facet_filter=self._condition(where), limit=1_000_000, exact=True)
            truths = {"true": True, "false": False} if path == json_path(IS + name) else {}
            pairs = [(truths.get(str(hit.value), hit.value), hit.count) for hit in reply.hits]
        else:
            pairs = list(tally(self, name, where).items())
        return sorted(pairs, key=lambda pair: (-pair[1], str(pair[0])))[:limit]

    # ── the servers ──────────────────────────────────────────────────────────────

    def optimize(self) -> None:
        """The servers do it by themselves."""
        self._open()

    def flush(self) -> None:
        """A write that returned is in the servers' logs."""
        self._open()

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def said(self, call: Callable[[], T]) -> T:
        """What a call to the servers gives. Raises NotReady where none answers, SnapfindError where one refuses."""
        from qdrant_client.http.exceptions import ApiException, ResponseHandlingException

        try:
            return call()
        except ResponseHandlingException as error:
            raise NotReady(f"the index servers do not answer ({error}); see that they run, then ask again") from error
        except (ApiException, ValueError) as error:
            raise SnapfindError(f"the index servers refused: {str(error)[:300]}") from error

    def _open(self) -> "QdrantClient":
        if self._client is None:
            raise SnapfindError("the index is closed; open the catalogue again")
        return self._client

    def _ask(self, verb: str, **given: Any) -> Any:
        client = self._open()
        return self.said(lambda: getattr(client, verb)(self._name, **given))

    def _info(self) -> Any:
        return self._ask("get_collection")

    def _condition(self, where: Filter | None) -> Any:
        if where is None:
            return None
        condition = where.condition(self._conditions)
        filter = self._models.Filter
        return condition if isinstance(condition, filter) else filter(must=[condition])

    def _check(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        spaces = self.spaces()
        for space, vector in vectors.items():
            if space not in spaces:
                raise BadInput(f"the index has no space {space!r}; add it first")
            if vector.shape != (spaces[space],):
                raise BadInput(f"space {space} takes ({spaces[space]},) vectors, not {vector.shape}")


class _Conditions:
    """The client's condition classes under the names, and with the arguments, that filters use."""

    def __init__(self, models: Any) -> None:
        self._models = models
        self.Filter = models.Filter
        self.RangeDateTime, self.RangeFloat = models.DatetimeRange, models.Range

    def FieldCondition(self, path: str, *, match: Any = None, range: Any = None) -> Any:  # noqa: N802
        """A condition on one field."""
        return self._models.FieldCondition(key=path, match=match, range=range)

    def MatchAny(self, values: list[str]) -> Any:  # noqa: N802
        """One of these."""
        return self._models.MatchAny(any=values)

    def IsEmptyCondition(self, path: str) -> Any:  # noqa: N802
        """No value at all."""
        return self._models.IsEmptyCondition(is_empty=self._models.PayloadField(key=path))

    def boolean(self, name: str, value: bool) -> Any:
        """The field is that boolean."""
        return self.FieldCondition(json_path(IS + name), match=self.MatchAny([keyword(value)]))
