"""A served shop: an in-process client that holds every reply against the OpenAPI document."""

import base64
import io
import re
from contextlib import ExitStack, contextmanager

import jsonschema
import pytest
from fastapi.testclient import TestClient

from snapfind.server import build
from tests.catalog.conftest import Shop
from tests.pictures import picture
from tests.waiting import until

BASE = "http://127.0.0.1:8000"


def photo(number: int, kind: str = "PNG") -> bytes:
    """The picture as a file's bytes."""
    file = io.BytesIO()
    picture(number).save(file, kind)
    return file.getvalue()


def photo64(number: int) -> str:
    return base64.b64encode(photo(number)).decode()


class Checked(TestClient):
    """A client that fails when a reply is not what /openapi.json promises."""

    def request(self, method, url, **options):
        found = super().request(method, url, **options)
        if found.request.method != "HEAD" and found.request.url.path.startswith(("/v1", "/healthz", "/readyz")):
            self.check(found)
        return found

    def check(self, found):
        document = self.app.openapi()
        path, operation = self._operation(document, found.request)
        assert found.headers["x-request-id"]
        if operation is None:
            assert found.status_code in (403, 404, 405, 413), (found.status_code, found.text)
            schema = {"$ref": "#/components/schemas/ErrorReply"}
        else:
            told = operation["responses"].get(str(found.status_code))
            assert told is not None, f"{path}: {found.status_code} is not documented: {found.text[:300]}"
            kind = found.headers.get("content-type", "").partition(";")[0]
            if not told.get("content"):  # 204, 304
                assert not found.content
                return
            assert kind in told["content"], f"{path}: {kind} is not documented for {found.status_code}"
            schema = told["content"][kind]["schema"]
            if kind != "application/json":
                return
        jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(found.json())

    @staticmethod
    def _operation(document, request):
        for path, item in document["paths"].items():
            pattern = re.sub(r"\\\{[^/]*\\\}", ".+" if "products" in path else "[^/]+", re.escape(path))
            if re.fullmatch(pattern, request.url.path) and request.method.lower() in item:
                return path, item[request.method.lower()]
        return request.url.path, None


def over(client, job):
    """The job once it is done, failed or cancelled."""

    def finished():
        found = client.get(f"/v1/jobs/{job['id']}").json()["job"]
        return found if found["finished"] else None

    return until(finished, f"job {job['kind']} is over")


@contextmanager
def serving(shop, *, needs_key=False, **settings):
    """A client of a server over the shop; the catalog is closed at the end."""
    catalog = shop.open(**settings)
    if not len(catalog):
        catalog.add(shop.table)
    app = build(catalog, needs_key=needs_key)
    with Checked(app, base_url=BASE, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)


@pytest.fixture
def served(shop):
    """Make a client over the shop with some settings."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(serving(shop, **settings))


@pytest.fixture
def fresh(served):
    """A client of a shop of its own, for tests that write."""
    return served()


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A client of one shop for the tests of a file, which only ask."""
    with serving(Shop(tmp_path_factory.mktemp("shop"))) as shared:
        yield shared
