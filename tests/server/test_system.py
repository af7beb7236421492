"""Info, facets, pictures, health, metrics, and the one shape of errors."""

import pytest

from snapfind.server import build
from tests.server.conftest import BASE, Checked, photo64


def test_info_and_facets(client):
    found = client.get("/v1/info").json()
    assert found["products"] == 3 and found["pictures"] == 4 and found["fields"]["stock"] == "number"
    assert found["limits"]["max_terms"] == 16
    values = client.get("/v1/facets/category").json()["values"]
    assert values == [{"value": "tea", "count": 2}, {"value": "mugs", "count": 1}]


def test_readiness_comes_with_a_real_query_and_goes_with_the_stop(shop):
    app = build(shop.open())
    client = Checked(app, base_url=BASE)
    assert client.get("/readyz").status_code == 503 and client.get("/healthz").status_code == 200
    with client:
        assert client.get("/readyz").status_code == 200
    assert client.get("/readyz").status_code == 503
    assert client.post("/v1/search", json={"text": "tea"}).json()["error"]["code"] == "not_ready"


def test_metrics_have_a_histogram_per_step(client):
    client.post("/v1/search", json={"photo": photo64(0)})
    page = client.get("/metrics").text
    assert 'snapfind_step_seconds_bucket{le="0.01",route="/v1/search",step="encode"}' in page
    assert 'snapfind_requests_total{method="POST",route="/v1/search",status="200"} 1.0' in page


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nowhere", None, 404, "not_found"),
        ("GET", "/v1/nowhere", None, 404, "not_found"),
        ("PUT", "/v1/search", None, 405, "method_wrong"),
        ("GET", "/v1/search", None, 405, "method_wrong"),
        ("POST", "/v1/search", {}, 400, "query_bad"),
        ("POST", "/v1/search", {"text": " "}, 400, "query_bad"),
        ("POST", "/v1/search", {"text": "tea", "limit": 0}, 422, "request_bad"),
        ("POST", "/v1/search", {"text": "tea", "limit": 401}, 400, "query_bad"),
        ("POST", "/v1/search", {"text": "tea", "color": 1}, 422, "request_bad"),
        ("POST", "/v1/search", {"text": "tea", "filter": "price <"}, 400, "filter_bad"),
        ("POST", "/v1/search", {"photo": "!!"}, 400, "picture_broken"),
        ("POST", "/v1/search", {"photo": ""}, 400, "picture_empty"),
        ("POST", "/v1/search", {"photo": "aGVsbG8="}, 400, "picture_format"),
        ("POST", "/v1/search", {"product": "none"}, 404, "not_found"),
        ("GET", "/v1/facets/color", None, 400, "bad_input"),
        ("GET", "/v1/pictures/8c7dd922-ad47-4fc1-9b1c-7f0b0d1f0a3e.jpg", None, 404, "not_found"),
        ("GET", "/v1/pictures/x.jpg", None, 422, "request_bad"),
        ("GET", "/v1/products?limit=0", None, 422, "request_bad"),
        ("POST", "/v1/events", {"events": [{"kind": "hover"}]}, 422, "request_bad"),
        ("POST", "/v1/events", {"events": [{"kind": "click"}]}, 400, "bad_input"),
    ],
)
def test_every_error_has_the_one_shape(client, method, path, body, status, code):
    found = client.request(method, path, **({"json": body} if body is not None else {}))
    assert (found.status_code, found.json()["error"]["code"]) == (status, code), found.text
    assert found.json()["request_id"] == found.headers["x-request-id"]
    assert found.json()["error"]["message"] and found.json()["error"]["help"] == f"/v1/errors#{code}"


@pytest.mark.parametrize(
    ("method", "path", "body", "field", "message"),
    [
        ("POST", "/v1/search", {"text": "a", "limt": 3}, "limt", "did you mean 'limit'?"),
        ("POST", "/v1/search", {"terms": [{"txt": "a"}]}, "terms.0.txt", "did you mean 'text'?"),
        ("POST", "/v1/products", {"products": [{"id": "a", "titel": "b"}]}, "products.0.titel", "mean 'title'?"),
        ("POST", "/v1/regions", {"phto": "a"}, "phto", "did you mean 'photo'?"),
        ("POST", "/v1/compare", {"a": {"photos": "a"}, "b": {}}, "a.photos", "did you mean 'photo'?"),
        ("PATCH", "/v1/products/tea-1", {"prise": 3}, "prise", "did you mean 'price'?"),
        ("POST", "/v1/events", {"events": [{"kind": "click", "produkt": "a"}]}, "events.0.produkt", "mean 'product'?"),
        ("POST", "/v1/exports", {"formt": "csv"}, "formt", "did you mean 'format'?"),
        ("POST", "/v1/models/fit", {"stored": True}, "stored", "did you mean 'stored_photos'?"),
        ("POST", "/v1/flywheel/runs", {"xyz": 1}, "xyz", "there are: depth, max_slice_loss"),
        ("POST", "/v1/search", {"text": "a", "limit": "ten"}, "limit", "'ten' is not a whole number"),
        ("POST", "/v1/search", {"text": "a", "limit": 0}, "limit", "the least is 1"),
        ("POST", "/v1/search", {"text": 5}, "text", "5 is not a text"),
        ("POST", "/v1/regions", {}, "photo", "it is missing"),
        ("PATCH", "/v1/products/tea-1", {"price": -1}, "price", "the least is 0"),
        ("POST", "/v1/events", {"events": [{"kind": "hover"}]}, "events.0.kind", "is not known; there are: 'search'"),
        ("POST", "/v1/events", {"events": []}, "events", "it has 0 items; the least is 1"),
        ("GET", "/v1/products?limit=ten", None, "limit", "'ten' is not a whole number"),
        ("POST", "/v1/search", [], None, "[] is not an object"),
    ],
)
def test_a_request_that_does_not_fit_is_told_in_our_words(client, method, path, body, field, message):
    found = client.request(method, path, **({"json": body} if body is not None else {}))
    problem = found.json()["error"]
    assert (found.status_code, problem["field"]) == (422, field), found.text
    assert message in problem["message"]


def test_a_body_that_is_no_json_and_a_form_that_is_cut(client):
    broken = client.post("/v1/search", content=b"{", headers={"content-type": "application/json"})
    assert broken.status_code == 422
    cut = client.post("/v1/search", content=b"--x\r\n", headers={"content-type": "multipart/form-data; boundary=x"})
    assert cut.status_code in (400, 422)
    other = client.post("/v1/search", content=b"x", headers={"content-type": "text/plain"})
    assert other.json()["error"]["code"] == "media_type_wrong"


def test_errors_are_listed(client):
    assert {"busy", "key_missing", "filter_bad"} <= {
        error["code"] for error in client.get("/v1/errors").json()["errors"]
    }


def test_pages_of_other_sites_and_foreign_names_are_refused(client):
    foreign = client.get("/v1/info", headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403 and foreign.json()["error"]["code"] == "origin_foreign"
    assert client.get("/v1/info", headers={"origin": BASE}).status_code == 200
    rebound = client.get("/v1/info", headers={"host": "evil.example:8000"})
    assert rebound.status_code == 403 and rebound.json()["error"]["code"] == "host_wrong"


def test_the_page_is_strict(client):
    page = client.get("/")
    assert page.status_code == 200 and "'unsafe-inline'" not in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
