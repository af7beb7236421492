"""POST /v1/search and GET /v1/similar: the same answers as the library, in JSON and as a form, a page at a time."""

import snapfind
from snapfind.server import build
from tests.server.conftest import BASE, Checked, over, photo, photo64


def ids(found):
    assert found.status_code == 200, found.text
    return [hit["product"]["id"] for hit in found.json()["hits"]]


def test_a_photo_finds_its_product_as_form_and_as_json(client):
    form = client.post("/v1/search", files={"photo": ("holiday.png", photo(3))}, data={"limit": "2"})
    json = client.post("/v1/search", json={"photo": photo64(3), "limit": 2})
    assert ids(form) == ids(json) and ids(form)[0] == "mug-1"
    assert form.json()["hits"][0]["verdict"] == form.json()["verdict"]
    assert {"read", "decode", "encode", "recall", "rank", "total"} <= form.json()["timings"].keys()


def test_the_server_answers_as_the_library_does(client):
    catalog = client.app.state.service.catalog
    for number in range(3):
        found = client.post("/v1/search", json={"photo": photo64(number)}).json()["hits"]
        expected = catalog.search(photo(number))
        assert [hit["product"]["id"] for hit in found] == [hit.product.id for hit in expected]
        assert [hit["score"] for hit in found] == [round(hit.score, 4) for hit in expected]


def test_text_product_and_weights(client):
    assert ids(client.post("/v1/search", json={"text": "green tea"}))[0] == "tea-2"
    assert "tea-1" not in ids(client.get("/v1/similar", params={"product": "tea-1"}))
    mixed = {
        "terms": [{"photo": photo64(3), "weight": 0.5}, {"text": "red tea", "weight": 2}, {"text": "mug", "weight": -1}]
    }
    assert ids(client.post("/v1/search", json=mixed))
    assert ids(client.post("/v1/search", data={"text": "mug"}, files={"photo": ("a", photo(3))}))[0] == "mug-1"


def test_filter_threshold_facets_and_explain(client):
    body = {"photo": photo64(3), "filter": "category = 'tea'", "facets": ["category", "stock"], "explain": True}
    found = client.post("/v1/search", json=body).json()
    assert {hit["product"]["category"] for hit in found["hits"]} == {"tea"}
    assert found["facets"]["category"] == [{"value": "tea", "count": 2}]
    assert all("image" in hit["parts"] for hit in found["hits"])
    none = client.post("/v1/search", json={"photo": photo64(3), "threshold": 1.0}).json()
    assert none["hits"] == [] and none["verdict"] == "none" and none["next"] is None


def test_pages_are_slices_of_one_answer(client):
    for query in ({"photo": photo64(1)}, {"text": "tea"}):
        whole, paged, cursor = ids(client.post("/v1/search", json=query)), [], None
        while True:
            found = client.post("/v1/search", json={**query, "limit": 1, "cursor": cursor}).json()
            paged += [hit["product"]["id"] for hit in found["hits"]]
            cursor = found["next"]
            if cursor is None:
                break
        assert paged == whole


def test_a_cursor_of_another_query_or_made_up_is_refused(client):
    cursor = client.post("/v1/search", json={"text": "tea", "limit": 1}).json()["next"]
    for body in (
        {"text": "mug", "cursor": cursor},
        {"text": "tea", "cursor": "bm9uc2Vuc2U"},
        {"text": "tea", "cursor": "é"},
    ):
        found = client.post("/v1/search", json={**body, "limit": 1})
        assert found.status_code == 422 and found.json()["error"]["code"] == "cursor_bad"


def test_a_box_limits_the_photo(client):
    whole = client.post("/v1/search", json={"photo": photo64(3), "box": [0, 0, 1, 1]}).json()["hits"]
    part = client.post("/v1/search", json={"photo": photo64(3), "box": [0, 0, 0.3, 0.3]}).json()["hits"]
    assert whole[0]["score"] > part[0]["score"]
    form = client.post("/v1/search", files={"photo": ("a", photo(3))}, data={"box": "0,0,0.3,0.3"}).json()["hits"]
    assert form[0]["score"] == part[0]["score"]
    assert client.post("/v1/search", json={"text": "tea", "box": [0, 0, 1, 1]}).json()["error"]["field"] == "box"


def test_an_empty_catalog_answers_with_nothing(tmp_path, served, shop):
    shop.rows = shop.rows[:1]
    with Checked(build(snapfind.open(tmp_path / "empty.snap")), base_url=BASE) as client:
        assert ids(client.post("/v1/search", json={"photo": photo64(0)})) == []
        assert ids(client.post("/v1/search", json={"text": "tea"})) == []
        assert client.get("/readyz").status_code == 200
        assert client.get("/v1/products").json()["products"] == []


def test_an_empty_or_emptied_shop_takes_products(tmp_path):
    with Checked(build(snapfind.open(tmp_path / "empty.snap")), base_url=BASE) as client:
        for _ in range(2):
            assert client.get("/v1/info").json()["read_only"] is False
            body = {"products": [{"id": "a", "pictures": [{"name": "a", "content": photo64(0)}]}]}
            assert client.post("/v1/products", json=body).json()["added"] == 1
            assert client.delete("/v1/products/a").json()["deleted"] == 1
        files = {"pictures": ("cup.png", photo(3))}
        assert over(client, client.post("/v1/imports", files=files).json()["job"])["report"]["added"] == 1
