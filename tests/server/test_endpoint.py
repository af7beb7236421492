"""An endpoint from outside the package: its scope, limits and OpenAPI entry come from its own declaration."""

import asyncio
import gzip
import json
import threading

import pytest
from fastapi import APIRouter, Request
from fastapi.testclient import TestClient
from pydantic import BaseModel

from snapfind.server import build
from snapfind.server.endpoint import limits
from snapfind.server.middleware.auth import needs
from snapfind.server.runtime.trace import Trace
from snapfind.server.schemas.products import RequestBody
from snapfind.server.schemas.responses import ERRORS, Reply, reply
from snapfind.server.service import Now, Serving
from tests.server.conftest import BASE
from tests.waiting import PATIENCE

JSON = {"content-type": "application/json"}


class ShoutBody(RequestBody):
    """A text."""

    text: str


class ShoutReply(Reply):
    """The text in capitals, and the number of products."""

    text: str
    products: int


class RawBody(BaseModel):
    """A body that its endpoint parses itself."""

    anything: dict[str, int]


router = APIRouter(prefix="/v1", tags=["toy"], responses=ERRORS)
BODY = {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/RawBody"}}}}}


@router.post("/shout", response_model=ShoutReply, dependencies=[needs("write")])
@limits(body=100)
async def shout(body: ShoutBody, service: Serving, trace: Now) -> ShoutReply:
    """Shout a text."""
    products = await service.reading.run(trace, lambda: len(service.shop))
    return reply(trace, ShoutReply, text=body.text.upper(), products=products)


@router.post("/raw/{name}", response_model=Reply, openapi_extra=BODY, dependencies=[needs("search")])
@limits(body="max_json", sheds_load=True, schema=RawBody)
async def raw(name: str, request: Request, trace: Now) -> Reply:
    """Read a body by hand."""
    RawBody.model_validate_json(await request.body())
    return reply(trace, Reply)


@pytest.fixture
def app(shop):
    catalog = shop.open(max_json=1024, workers=1, queue=0, log_searches=0)
    catalog.add(shop.table)
    return build(catalog, needs_key=True, routers=[router])


@pytest.fixture
def client(app):
    with TestClient(app, base_url=BASE, raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def headers(app):
    """Headers with a key of each scope."""
    keys = app.state.service.keys
    return {
        scope: JSON | {"authorization": f"Bearer {keys.create(scope, [scope])[1]}"} for scope in ("search", "write")
    }


def padded(size):
    start = b'{"text": "tea"'
    return start + b" " * (size - len(start) - 1) + b"}"


def code(response):
    return response.status_code, response.json()["error"]["code"]


def test_it_answers_and_needs_a_key_with_its_scope(client, headers):
    assert code(client.post("/v1/shout", content=padded(50), headers=JSON)) == (401, "key_missing")
    assert code(client.post("/v1/shout", content=padded(50), headers=headers["search"])) == (403, "scope_missing")
    answer = client.post("/v1/shout", content=padded(50), headers=headers["write"]).json()
    assert (answer["text"], answer["products"]) == ("TEA", len(client.app.state.service.shop)) and answer["request_id"]


def test_its_body_limit_is_its_own(client, headers):
    assert client.post("/v1/shout", content=padded(100), headers=headers["write"]).status_code == 200
    assert code(client.post("/v1/shout", content=padded(101), headers=headers["write"])) == (413, "body_too_large")
    pieces = iter([padded(150)[:90], padded(150)[90:]])  # without Content-Length
    assert code(client.post("/v1/shout", content=pieces, headers=headers["write"])) == (413, "body_too_large")
    packed = gzip.compress(padded(5000))
    assert len(packed) < 100  # the limit is on what it unpacks to
    zipped = headers["write"] | {"content-encoding": "gzip"}
    assert code(client.post("/v1/shout", content=packed, headers=zipped)) == (413, "body_too_large")


def test_a_limit_by_setting_on_a_path_with_a_parameter(client, headers):
    def send(size):
        body = json.dumps({"anything": {"a": 1}}).encode()
        return client.post("/v1/raw/x", content=body + b" " * (size - len(body)), headers=headers["search"])

    assert send(1024).status_code == 200
    assert code(send(1025)) == (413, "body_too_large")


def test_it_sheds_load(client, headers):
    service, started, release = client.app.state.service, threading.Event(), threading.Event()
    body = json.dumps({"anything": {}}).encode()

    def block():
        started.set()
        release.wait(PATIENCE)

    def occupy():  # the only worker, with no room in the queue
        asyncio.run(service.reading.run(Trace("x"), block))

    worker = threading.Thread(target=occupy)
    worker.start()
    assert started.wait(PATIENCE)
    try:
        refused = client.post("/v1/raw/x", content=body, headers=headers["search"])
    finally:
        release.set()
        worker.join(PATIENCE)
    assert code(refused) == (429, "busy") and int(refused.headers["retry-after"]) >= 1
    assert client.post("/v1/raw/x", content=body, headers=headers["search"]).status_code == 200


def test_it_is_in_the_openapi_document(client):
    document = client.get("/openapi.json").json()
    operation = document["paths"]["/v1/shout"]["post"]
    assert operation["tags"] == ["toy"] and operation["summary"] == "Shout"
    assert operation["security"] == [{"HTTPBearer": ["write"]}]
    schemas = document["components"]["schemas"]
    assert set(schemas["ShoutBody"]["properties"]) == {"text"} and set(schemas["RawBody"]["properties"]) == {"anything"}
    assert "/v1/search" in document["paths"]
