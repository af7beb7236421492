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
    expected = client.app.state.service.catalogue.regions(shelf_photo())
    assert [tuple(region["box"]) for region in found] == [region.box.as_tuple() for region in expected]
    assert client.post("/v1/regions", json={"photo": photo64(1)}).status_code == 200
    assert client.post("/v1/regions", files={"other": ("x", photo(1))}).json()["error"]["field"] == "photo"


def test_all_regions_give_a_group_each(client):
    found = client.post("/v1/search", files={"photo": ("x", shelf_photo())}, data={"regions": "all"}).json()
    expected = client.app.state.service.catalogue.search(shelf_photo(), regions="all")
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
