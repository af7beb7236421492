"""Regions of a photo, comparing two, and what a search says about the photo."""

import io

from PIL import Image

from tests.pictures import picture
from tests.server.conftest import photo, photo64


def shelf_photo() -> bytes:
    """A white photo with two objects far apart."""
    image = Image.new("RGB", (600, 300), "white")
    for number, left in ((3, 40), (1, 400)):
        image.paste(picture(number, 150), (left, 70))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_regions_as_form_and_json_and_as_the_library_says(client):
    found = client.post("/v1/regions", files={"photo": ("x", shelf_photo())}).json()["regions"]
    expected = client.app.state.service.catalog.regions(shelf_photo())
    assert [tuple(region["box"]) for region in found] == [region.box.as_tuple() for region in expected]
    assert client.post("/v1/regions", json={"photo": photo64(1)}).status_code == 200
    assert client.post("/v1/regions", files={"other": ("x", photo(1))}).json()["error"]["field"] == "photo"


def test_all_regions_give_a_group_each(client):
    found = client.post("/v1/search", files={"photo": ("x", shelf_photo())}, data={"regions": "all"}).json()
    expected = client.app.state.service.catalog.search(shelf_photo(), regions="all")
    assert len(found["groups"]) == len(expected.groups)
    for group, known in zip(found["groups"], expected.groups, strict=True):
        assert [hit["product"]["id"] for hit in group["hits"]] == [hit.product.id for hit in known.hits]
    assert client.post("/v1/search", json={"text": "tea", "regions": "all"}).json()["error"]["field"] == "regions"


def test_categories_are_told_and_one_may_be_chosen(client):
    found = client.post("/v1/search", json={"photo": photo64(3)}).json()
    assert found["categories"][0]["category"] == "mugs"
    switched = client.post("/v1/search", json={"photo": photo64(3), "category": "tea"}).json()
    assert [hit["product"]["category"] for hit in switched["hits"]] == ["tea", "tea", "mugs"]


def test_compare_photos_and_products(client):
    same = client.post("/v1/compare", files={"a": ("a", photo(3)), "b": ("b", photo(3, "JPEG"))}).json()["score"]
    other = client.post("/v1/compare", json={"a": {"photo": photo64(3)}, "b": {"product": "tea-1"}}).json()["score"]
    assert same > other
    assert client.post("/v1/compare", json={"a": {}, "b": {"product": "tea-1"}}).status_code == 422
    assert client.post("/v1/compare", json={"a": {"product": "x"}, "b": {"product": "tea-1"}}).status_code == 404


def test_a_hit_is_explained_over_the_photo_and_over_its_picture(client):
    form = {"product": "tea-1", "picture": "a.png", "box": "0,0,0.9,0.9"}
    heat = client.post("/v1/explain", files={"photo": ("x", photo(0))}, data=form)
    body = {"photo": photo64(0), "product": "tea-1", "picture": "a.png", "box": [0, 0, 0.9, 0.9]}
    same = client.post("/v1/explain", json=body)
    gone = client.post("/v1/explain", files={"photo": ("x", photo(0))}, data={**form, "picture": "z.png"})
    assert heat.status_code == 200
    for side in ("photo", "picture"):
        levels = [level for row in heat.json()[side] for level in row]
        assert max(levels) == 1
        assert min(levels) >= 0
    assert same.json()["photo"] == heat.json()["photo"]
    assert gone.status_code == 404


def test_products_marked_wrong_fall_and_those_marked_right_rise(client):
    ask = {"photo": photo64(7)}
    first = [hit["product"]["id"] for hit in client.post("/v1/search", json=ask).json()["hits"]]
    other = next(product for product in first if product != first[0])
    marks = {"right": [other], "wrong": [first[0]]}
    marked = client.post("/v1/search", json=ask | marks).json()["hits"]
    form = client.post("/v1/search", files={"photo": ("x", photo(7))}, data=marks).json()["hits"]
    assert marked[0]["product"]["id"] == other
    assert [hit["product"]["id"] for hit in form] == [hit["product"]["id"] for hit in marked]
