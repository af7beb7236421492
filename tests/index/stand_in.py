"""A stand-in for Qdrant servers on this machine's loopback: their HTTP over the client's own local mode.

It is no Qdrant server and proves nothing about one. It lets the adapter's whole way over HTTP run: what is sent fits
the client's own shapes of requests, several processes and several addresses reach one state, and custom sharding has
the rules of its documentation: a write needs a key, ids are apart by key, a read without a key asks all.
"""

import socket
import threading
from contextlib import contextmanager

import uvicorn
from pydantic import TypeAdapter
from qdrant_client import QdrantClient
from qdrant_client.http import models
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.waiting import PATIENCE, until

__all__ = ["StandIn", "serving"]


class StandIn:
    """The state behind any number of addresses. `asked` is a list of (verb, collection, shard keys of the request)."""

    def __init__(self):
        self.client = QdrantClient(":memory:")
        self.lock = threading.Lock()
        self.made, self.schemas, self.keys, self.asked = {}, {}, {}, []

    # ── collections ──────────────────────────────────────────────────────────────

    def name(self, given):
        found = {one.alias_name: one.collection_name for one in self.client.get_aliases().aliases}.get(given, given)
        if found not in self.made:
            raise LookupError(f"Collection `{given}` doesn't exist!")
        return found

    def create(self, name, body):
        told = models.CreateCollection(**body)
        self.made[name], self.schemas[name], self.keys[name] = told, {}, []
        self._part(name, name)
        return True

    def _part(self, name, part):
        told = self.made[name]
        self.client.create_collection(part, vectors_config=told.vectors, sparse_vectors_config=told.sparse_vectors)

    def info(self, name, body):
        name = self.name(name)
        found, told = self.client.get_collection(name).model_dump(mode="json"), self.made[name]
        for own in ("sharding_method", "shard_number", "replication_factor", "write_consistency_factor"):
            found["config"]["params"][own] = getattr(told, own)
        found["payload_schema"] = {path: {"data_type": kind, "points": 0} for path, kind in self.schemas[name].items()}
        return found

    def drop(self, name, body):
        for part in [name, *(f"{name}.{key}" for key in self.keys.pop(name))]:
            self.client.delete_collection(part)
        del self.made[name], self.schemas[name]
        return True

    def field(self, name, body):
        self.schemas[self.name(name)][body["field_name"]] = body["field_schema"]
        return _DONE

    def add_key(self, name, body):
        key = models.CreateShardingKey(**body).shard_key
        self.keys[name].append(key)
        self._part(name, f"{name}.{key}")
        return True

    def vector(self, name, body, vector):
        for part in {name, *self._parts(name, {})}:
            if body is None:
                self.client.delete_vector_name(part, vector)
            else:
                self.client.create_vector_name(part, vector, models.DenseVectorNameConfig(**body))
        return _DONE

    def _custom(self, name):
        return self.made[name].sharding_method == models.ShardingMethod.CUSTOM

    def _parts(self, name, body):
        """The local collections that a request is for."""
        name = self.name(name)
        if not self._custom(name):
            return [name]
        wanted = body.get("shard_key") or self.keys[name]
        return [f"{name}.{key}" for key in ([wanted] if isinstance(wanted, str) else wanted)]

    def _written(self, name, body):
        if self._custom(self.name(name)) and not body.get("shard_key"):
            raise ValueError("Wrong input: Shard key not specified")
        return self._parts(name, body)

    # ── points ───────────────────────────────────────────────────────────────────

    def upsert(self, name, body):
        told = models.PointsList(**body)
        for part in self._written(name, body):
            self.client.upsert(part, told.points)
        return _DONE

    def delete(self, name, body):
        told = TypeAdapter(models.PointsSelector).validate_python(body)
        for part in self._written(name, body):
            self.client.delete(part, told)
        return _DONE

    def payload(self, name, body):
        told = models.SetPayload(**body)
        for part in self._written(name, body):
            self.client.overwrite_payload(part, told.payload, told.points)
        return _DONE

    def vectors(self, name, body):
        told = models.UpdateVectors(**body)
        for part in self._written(name, body):
            self.client.update_vectors(part, told.points)
        return _DONE

    def no_vectors(self, name, body):
        told = models.DeleteVectors(**body)
        for part in self._written(name, body):
            self.client.delete_vectors(part, told.vector, told.points)
        return _DONE

    def retrieve(self, name, body):
        told = models.PointRequest(**body)
        found = {}
        for part in self._parts(name, body):
            for one in self.client.retrieve(part, told.ids, told.with_payload, told.with_vector):
                found.setdefault(one.id, _plain(one))
        return list(found.values())

    def query(self, name, body):
        told = models.QueryRequest(**body)
        found = [
            point
            for part in self._parts(name, body)
            for point in self.client.query_points(
                part,
                query=told.query,
                using=told.using,
                query_filter=told.filter,
                limit=told.limit,
                with_payload=told.with_payload,
            ).points
        ]
        found.sort(key=lambda point: -point.score)
        return {"points": [_plain(point) for point in found[: told.limit]]}

    def scroll(self, name, body):
        told = models.ScrollRequest(**body)
        found = []
        for part in self._parts(name, body):
            found += self.client.scroll(
                part, told.filter, told.limit + 1, None, told.offset, told.with_payload, told.with_vector
            )[0]
        found.sort(key=lambda record: record.id)
        after = found[told.limit].id if len(found) > told.limit else None
        return {"points": [_plain(record) for record in found[: told.limit]], "next_page_offset": after}

    def count(self, name, body):
        told = models.CountRequest(**body)
        return {"count": sum(self.client.count(part, told.filter).count for part in self._parts(name, body))}

    def facet(self, name, body):
        told = models.FacetRequest(**body)
        counts = {}
        for part in self._parts(name, body):
            for hit in self.client.facet(part, told.key, told.filter, told.limit).hits:
                counts[hit.value] = counts.get(hit.value, 0) + hit.count
        return {"hits": [{"value": value, "count": count} for value, count in counts.items()]}

    # ── the whole ────────────────────────────────────────────────────────────────

    def aliases(self):
        return {"aliases": [_plain(one) for one in self.client.get_aliases().aliases]}

    def change(self, body):
        return self.client.update_collection_aliases(models.ChangeAliasesOperation(**body).actions)

    def app(self):
        at = "/collections/{name}"
        return Starlette(
            routes=[
                self._route("GET", "/collections", lambda: {"collections": [{"name": name} for name in self.made]}),
                self._route("GET", "/aliases", self.aliases),
                self._route("POST", "/collections/aliases", self.change),
                self._route("GET", f"{at}/exists", lambda name, body: {"exists": name in self.made}),
                self._route("PUT", at, self.create),
                self._route("GET", at, self.info),
                self._route("DELETE", at, self.drop),
                self._route("PUT", f"{at}/index", self.field),
                self._route("PUT", f"{at}/shards", self.add_key),
                self._route(
                    "GET", f"{at}/shards", lambda name, body: {"shard_keys": [{"key": k} for k in self.keys[name]]}
                ),
                self._route("PUT", f"{at}/vectors/{{vector}}", self.vector),
                self._route("DELETE", f"{at}/vectors/{{vector}}", self.vector),
                self._route("PUT", f"{at}/points", self.upsert),
                self._route("POST", f"{at}/points", self.retrieve),
                self._route("POST", f"{at}/points/delete", self.delete),
                self._route("PUT", f"{at}/points/payload", self.payload),
                self._route("PUT", f"{at}/points/vectors", self.vectors),
                self._route("POST", f"{at}/points/vectors/delete", self.no_vectors),
                self._route("POST", f"{at}/points/query", self.query),
                self._route("POST", f"{at}/points/scroll", self.scroll),
                self._route("POST", f"{at}/points/count", self.count),
                self._route("POST", f"{at}/facet", self.facet),
            ]
        )

    def _route(self, method, path, call):
        async def answer(request):
            body = await request.json() if await request.body() else None
            given = {**request.path_params}
            if method != "GET" or "name" in given:
                given["body"] = body
            with self.lock:
                self.asked.append((path.rpartition("/")[2], given.get("name"), (body or {}).get("shard_key")))
                try:
                    return JSONResponse({"result": call(**given), "status": "ok", "time": 0})
                except LookupError as error:
                    return JSONResponse({"status": {"error": str(error)}}, 404)
                except ValueError as error:
                    return JSONResponse({"status": {"error": str(error)}}, 400)

        return Route(path, answer, methods=[method])


_DONE = {"operation_id": 0, "status": "completed"}


def _plain(value):
    return value.model_dump(mode="json", exclude_none=True)


@contextmanager
def serving(stand_in, port=0):
    """One address of the state, such as `127.0.0.1:40001`, and what stops it; port 0 takes a free one."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    server = uvicorn.Server(uvicorn.Config(stand_in.app(), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()

    def stop():
        server.should_exit = server.force_exit = True
        thread.join(PATIENCE)
        listening.close()

    try:
        until(lambda: server.started or not thread.is_alive(), "the stand-in has started")
        yield f"127.0.0.1:{listening.getsockname()[1]}", stop
    finally:
        stop()
