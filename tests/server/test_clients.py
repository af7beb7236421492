"""What probes, phones, browsers and clients of other languages send: taken, or refused in a sentence."""

import base64
import gzip
import json
import socket
import zlib

import pytest

from snapfind.server import build
from tests.catalog.conftest import Shop
from tests.server.conftest import Checked, over, photo, photo64, serving
from tests.server.test_client import listening
from tests.waiting import until

JSON = {"content-type": "application/json"}
HALF = b'"\\ud83d"'


def picture_url(client):
    return client.get("/v1/products/tea-1").json()["product"]["pictures"][0]["url"]


# ── HEAD ─────────────────────────────────────────────────────────────────────────


def gets(client):
    """Every address that answers GET without a name of its own in it, and one of each kind that has one."""
    own = [path for path, item in client.app.openapi()["paths"].items() if "get" in item and "{" not in path]
    own = [path for path in own if path != "/v1/similar"]
    named = ["/v1/similar?product=tea-1", "/v1/products/tea-1", "/v1/facets/category", picture_url(client)]
    return [*own, *named, "/", "/app.js", "/icon.svg", "/docs", "/openapi.json", "/metrics"]


def test_head_answers_as_get_without_a_body(client):
    for path in gets(client):
        found, whole = client.head(path), client.get(path)
        assert (found.status_code, found.content) == (200, b""), path
        assert found.headers["content-type"] == whole.headers["content-type"], path
    assert client.head("/v1/products/nobody").status_code == 404
    assert client.head("/v1/search").status_code == 405


# ── probes and hosts ─────────────────────────────────────────────────────────────

HOSTS = ["10.244.0.17:8000", "10.244.0.17", "[fd00::1]:8000", "[", "a b", "x" * 300, "kube-probe", "", "shop.example"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("host", HOSTS)
def test_probes_are_answered_under_any_host(client, path, host):
    assert client.get(path, headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", HOSTS)
def test_everything_else_is_refused_under_a_foreign_host(client, host):
    for path in ("/v1/info", "/", "/docs", "/openapi.json", "/metrics"):
        found = client.get(path, headers={"host": host})
        assert (found.status_code, found.json()["error"]["code"]) == (403, "host_wrong"), path


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A real server: its application, and how to connect to it."""
    shop = Shop(tmp_path_factory.mktemp("real"))
    catalog = shop.open()
    catalog.add(shop.table)
    app = build(catalog)
    with listening(app) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        yield app, lambda: socket.create_connection((host, int(port)), timeout=60)


@pytest.mark.allow_hosts(["127.0.0.1"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_probe_of_http_1_0_needs_no_host(real, path):
    _, connect = real

    def status(address):
        with connect() as connection:
            connection.sendall(f"GET {address} HTTP/1.0\r\n\r\n".encode())
            return connection.makefile("rb").readline().split()[1]

    assert status(path) == b"200" and status("/v1/info") == b"403"


# ── base64 ───────────────────────────────────────────────────────────────────────

SPELLINGS = {
    "lines": lambda file: base64.encodebytes(file).decode(),
    "windows lines": lambda file: base64.encodebytes(file).decode().replace("\n", "\r\n"),
    "address alphabet": lambda file: base64.urlsafe_b64encode(file).decode(),
    "no padding": lambda file: base64.b64encode(file).decode().rstrip("="),
    "address alphabet, no padding": lambda file: base64.urlsafe_b64encode(file).decode().rstrip("="),
    "data URL": lambda file: "data:image/png;base64," + base64.b64encode(file).decode(),
    "data URL in capitals": lambda file: "DATA:image/png;BASE64," + base64.b64encode(file).decode(),
    "escaped data URL": lambda file: "data:image/png;base64," + base64.b64encode(file).decode().replace("+", "%2B"),
}


@pytest.fixture(scope="module", params=list(SPELLINGS))
def spelt(request):
    """A picture in base64 whose length leaves padding, and which has both characters that alphabets differ in."""
    file = next(file for number in range(40) if len(file := photo(number)) % 3 and b"+" in base64.b64encode(file))
    return SPELLINGS[request.param](file)


def test_base64_is_taken_as_languages_write_it_wherever_a_picture_is(fresh, spelt):
    bodies = {
        "/v1/search": {"photo": spelt},
        "/v1/regions": {"photo": spelt},
        "/v1/compare": {"a": {"photo": spelt}, "b": {"photo": spelt}},
        "/v1/explain": {"photo": spelt, "product": "tea-1", "picture": "a.png"},
        "/v1/products": {"products": [{"id": "new", "pictures": [{"name": "a", "content": spelt}]}]},
    }
    for path, body in bodies.items():
        found = fresh.post(path, json=body)
        assert found.status_code == 200 and not found.json().get("failures"), (path, found.text[:200])
    terms = fresh.post("/v1/search", json={"terms": [{"photo": spelt}]})
    assert terms.json()["hits"][0]["product"]["id"] == "new"


@pytest.mark.parametrize("wrong", ["a", "not base64!", "data:image/png,abc", "ключ", "YQ==YQ==", "\ud83d"])
def test_what_is_not_base64_is_refused(client, wrong):
    body = json.dumps({"photo": wrong}).encode()
    found = client.post("/v1/search", content=body, headers=JSON)
    assert found.status_code in (400, 422) and found.json()["error"]["message"]


# ── forms ────────────────────────────────────────────────────────────────────────


def form(*parts):
    """A form as bytes: (rest of Content-Disposition, content)."""
    body = b"".join(
        b"--XX\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + content + b"\r\n"
        for head, content in parts
    )
    return {"content": body + b"--XX--\r\n", "headers": {"content-type": "multipart/form-data; boundary=XX"}}


NOBODY_CHOSE = ('name="photo"; filename=""', b"")
EMPTY = [(f'name="{name}"', b"") for name in ("filter", "limit", "box", "category", "threshold", "cursor", "regions")]
CHOSEN = ('name="photo"; filename="a.png"', photo(0))


def test_an_empty_field_of_a_form_is_none(client):
    words = client.post("/v1/search", **form(NOBODY_CHOSE, ('name="text"', b"mug"), *EMPTY))
    assert words.json()["hits"][0]["product"]["id"] == "mug-1"
    image = client.post("/v1/search", **form(CHOSEN, ('name="text"', b"  "), ('name="product"', b""), *EMPTY))
    assert image.json()["hits"][0]["product"]["id"] == "tea-1"
    nothing = client.post("/v1/search", **form(NOBODY_CHOSE, ('name="text"', b""), *EMPTY))
    assert (nothing.status_code, nothing.json()["error"]["code"]) == (400, "query_bad")
    empty_file = client.post("/v1/search", **form(('name="photo"; filename="a.png"', b"")))
    assert empty_file.json()["error"]["code"] == "picture_empty"
    assert client.post("/v1/regions", **form(CHOSEN, ('name="photo"; filename=""', b""))).status_code == 200
    body = form(CHOSEN, ('name="product"', b"tea-1"), ('name="picture"', b"a.png"), ('name="box"', b""))
    assert client.post("/v1/explain", **body).status_code == 200


def test_an_empty_field_of_an_import_or_a_product_is_none(fresh):
    table = ('name="table"; filename="t.csv"', b"id,title,picture\nx,Cup,a.png\n")
    pictures = ('name="pictures"; filename="a.png"', photo(0))
    nobody = ('name="pictures"; filename=""', b"")
    started = fresh.post("/v1/imports", **form(table, pictures, nobody, ('name="column"', b""), ('name="sync"', b"")))
    assert started.status_code == 202, started.text
    without = fresh.post("/v1/imports", **form(('name="table"; filename=""', b""), nobody))
    assert without.status_code == 422
    product = fresh.post(
        "/v1/products", **form(('name="product"', b'{"id": "tea-1"}'), ('name="picture"; filename=""', b""))
    )
    assert product.status_code == 200 and not product.json()["failures"]


def test_empty_parameters_of_a_query_are_none_and_a_form_may_be_urlencoded(client):
    assert client.get("/v1/products?filter=&limit=&cursor=").status_code == 200
    assert client.get("/v1/similar?product=tea-1&filter=&limit=&session=").status_code == 200
    assert client.get("/v1/facets/category?filter=&limit=").status_code == 200
    assert client.delete("/v1/products?filter=").status_code == 422
    found = client.post("/v1/search", data={"text": "mug", "filter": "", "limit": "1"})
    assert [hit["product"]["id"] for hit in found.json()["hits"]] == ["mug-1"]
    body = {"photo": photo64(0), "text": "", "product": "", "filter": ""}
    assert client.post("/v1/search", json=body).json()["hits"][0]["product"]["id"] == "tea-1"


@pytest.mark.parametrize(
    "name",
    [
        "filename*=UTF-8''f%C3%BCr.png",
        "filename=\"fur.png\"; filename*=utf-8'de'f%C3%BCr.png",
        "filename*=iso-8859-1''f%FCr.png; filename=\"fur.png\"",
        'filename="für.png"',
    ],
)
def test_a_file_name_in_the_extended_spelling_is_read(fresh, name):
    table = ("name=\"table\"; filename*=UTF-8''t%20%C3%BC.csv", "id,title,picture\nx,Cup,für.png\n".encode())
    started = fresh.post("/v1/imports", **form(table, (f'name="pictures"; {name}', photo(9))))
    assert started.status_code == 202, started.text
    assert over(fresh, started.json()["job"])["report"]["added"] == 1
    image = f'name="photo"; {name}'
    assert fresh.post("/v1/search", **form((image, photo(9)))).json()["hits"][0]["product"]["id"] == "x"


# ── half a character ─────────────────────────────────────────────────────────────

BODIES = [
    ("PATCH", "/v1/products/tea-1", b'{"attributes": {"x": %s}}'),
    ("PATCH", "/v1/products/tea-1", b'{"attributes": {%s: 1}}'),
    ("PATCH", "/v1/products/tea-1", b'{"attributes": {"x": ["a", %s]}}'),
    ("PATCH", "/v1/products/tea-1", b'{"title": %s}'),
    ("PATCH", "/v1/products/tea-1", b"{%s: 1}"),
    ("POST", "/v1/products", b'{"products": [{"id": %s}]}'),
    ("POST", "/v1/search", b'{"text": %s}'),
    ("POST", "/v1/search", b'{"text": "a", "filter": %s}'),
    ("POST", "/v1/search", b'{"terms": [{"product": %s}]}'),
    ("POST", "/v1/events", b'{"events": [{"kind": "click", "product": %s}]}'),
    ("POST", "/v1/events", b'{"events": [{"kind": "click", "product": "a", "session": %s}]}'),
    ("POST", "/v1/events", b'{"events": [{"kind": "category_switch", "category": "a", "before": %s}]}'),
    ("POST", "/v1/exports", b'{"filter": %s}'),
    ("POST", "/v1/models/switch", b'{"model": %s}'),
    ("POST", "/v1/models/trial", b'{"model": %s}'),
]


@pytest.mark.parametrize(("method", "path", "body"), BODIES)
def test_half_a_character_in_a_body_is_refused(client, method, path, body):
    found = client.request(method, path, content=body % HALF, headers=JSON)
    assert found.status_code == 422 and found.json()["error"]["message"], found.text


@pytest.mark.parametrize("escape", ["%ED%A0%BD", "%ff", "%c3"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/products/{}"),
        ("GET", "/v1/products?filter=title={}"),
        ("GET", "/v1/similar?product={}"),
        ("GET", "/v1/facets/{}"),
        ("DELETE", "/v1/products/{}"),
        ("DELETE", "/v1/products?filter={}"),
        ("DELETE", "/v1/events?session={}"),
        ("GET", "/{}"),
    ],
)
def test_an_address_that_is_not_utf_8_is_refused(client, method, path, escape):
    assert client.request(method, path.format(escape)).status_code == 422


# ── compressed bodies, byte order marks ──────────────────────────────────────────


def test_gzip_and_a_byte_order_mark_are_taken(client):
    plain = json.dumps({"text": "mug", "limit": 1}).encode()
    for body, headers in (
        (gzip.compress(plain), {"content-encoding": "gzip"}),
        (gzip.compress(plain) + b"behind", {"content-encoding": "GZIP"}),
        (b"\xef\xbb\xbf" + plain, {}),
        (gzip.compress(b"\xef\xbb\xbf" + plain), {"content-encoding": "x-gzip"}),
        (plain, {"content-encoding": "identity"}),
    ):
        found = client.post("/v1/search", content=body, headers={**JSON, **headers})
        assert found.json()["hits"][0]["product"]["id"] == "mug-1", found.text
    packed = gzip.compress(b"\xef\xbb\xbf" + b'{"price": 12}')
    assert (
        client.patch("/v1/products/mug-1", content=packed, headers=JSON | {"content-encoding": "gzip"}).status_code
        == 200
    )


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (gzip.compress(b" " * (200 << 20)), "gzip", 413),  # 200 kB that unpack to 200 MB
        (b"no gzip", "gzip", 400),
        (gzip.compress(b'{"text": "mug"}', mtime=0)[:-9], "gzip", 400),
        (zlib.compress(b"{}"), "deflate", 415),
        (b"{}", "br", 415),
        (b"{}", "gzip, gzip", 415),
    ],
)
def test_a_compressed_body_is_bounded_and_other_encodings_are_named(client, body, encoding, status):
    found = client.post("/v1/search", content=body, headers=JSON | {"content-encoding": encoding})
    assert found.status_code == status and found.json()["error"]["message"]


# ── pictures that caches ask for ─────────────────────────────────────────────────


def test_pictures_have_etags_and_ranges(client):
    url = picture_url(client)
    whole = client.get(url)
    tag = whole.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get(url, headers={"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get(url, headers={"if-none-match": '"other"'}).status_code == 200
    size = len(whole.content)
    for asked, begin, end in (("0-9", 0, 10), ("5-", 5, size), ("-7", size - 7, size), (f"0-{size * 9}", 0, size)):
        part = client.get(url, headers={"range": f"bytes={asked}"})
        assert (part.status_code, part.content) == (206, whole.content[begin:end])
        assert part.headers["content-range"] == f"bytes {begin}-{end - 1}/{size}"
    assert client.get(url, headers={"range": f"bytes={size}-"}).status_code == 416
    for whole_again in ("bytes=0-1,3-4", "lines=1-2", "bytes=-", "bytes=x"):
        assert client.get(url, headers={"range": whole_again}).content == whole.content
    stale = client.get(url, headers={"range": "bytes=0-9", "if-range": '"other"'})
    assert stale.status_code == 200


# ── who goes away ────────────────────────────────────────────────────────────────


@pytest.mark.allow_hosts(["127.0.0.1"])
@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=XX"])
def test_a_caller_who_goes_away_leaves_no_traceback(real, caplog, kind):
    app, connect = real
    head = f"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: 100000\r\n\r\n"
    with connect() as connection:
        connection.sendall(head.encode() + b"--XX\r\n")
        until(lambda: app.state.service.inside == 1, "the request is being read")
    until(lambda: app.state.service.inside == 0, "the request is over")
    assert not [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"]


# ── below a path of a proxy ──────────────────────────────────────────────────────


@pytest.mark.parametrize("asked", ["/find", ""], ids=["passed on", "stripped"])
def test_below_a_path_links_begin_with_it(shop, asked):
    with serving(shop, root_path="find/") as below:
        found = below.get(f"{asked}/v1/products/tea-1").json()["product"]["pictures"][0]["url"]
        assert found.startswith("/find/v1/pictures/") and below.get(found).headers["content-type"] == "image/jpeg"
        hits = Checked.post(below, f"{asked}/v1/search", json={"text": "mug"}).json()["hits"]
        assert hits[0]["picture"]["url"].startswith("/find/v1/")
        assert below.get(f"{asked}/v1/products/x").json()["error"]["help"].startswith("/find/v1/errors")
        assert below.get(f"{asked}/openapi.json").json()["servers"] == [{"url": "/find"}]
        for path in ("/", "/app.js", "/docs", "/healthz"):
            assert below.get(f"{asked}{path}").status_code == 200, path
        moved = below.get("/find", follow_redirects=False)
        assert (moved.status_code, moved.headers["location"]) == (307, "/find/")
