"""A served shop: an in-process client that holds every reply against the OpenAPI document."""

import base64
import io
import re

import jsonschema
import pytest
from fastapi.testclient import TestClient

from snapfind.server import build
from tests.catalog.conftest import Shop
from tests.pictures import picture

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
        if found.request.url.path.startswith(("/v1", "/healthz", "/readyz")):
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
            if found.status_code == 204:
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


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)


@pytest.fixture
def served(shop):
    """Make a client over the shop with some settings; the catalogue is closed at the end."""
    clients = []

    def make(*, needs_key=False, **settings):
        catalogue = shop.open(**settings)
        if not len(catalogue):
            catalogue.add(shop.table)
        client = Checked(build(catalogue, needs_key=needs_key), base_url=BASE, raise_server_exceptions=False)
        client.__enter__()
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(served):
    return served()
