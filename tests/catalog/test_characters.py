"""Half a character (a lone surrogate) is refused in a sentence wherever a text is given, and names of files are not."""

import os
import sys
from datetime import UTC, datetime

import pytest

import snapfind
from snapfind.core.errors import BadInput, BadQuery, SnapfindError
from snapfind.core.query import Query, QueryTerm
from snapfind.core.types import Product
from snapfind.events.event import Event
from tests.pictures import picture
from tests.server.conftest import photo
from tests.server.test_client import place  # noqa: F401  (a fixture)

HALF = "\ud83d mug"

ASKS = {
    "search": lambda shop: shop.search(HALF),
    "search for a product": lambda shop: shop.search(QueryTerm(product=HALF)),
    "search with a filter": lambda shop: shop.search("mug", filter=f"title = '{HALF}'"),
    "search in a category": lambda shop: shop.search("mug", category=HALF),
    "search after recent ones": lambda shop: shop.search("mug", recent=[HALF]),
    "get": lambda shop: shop.get(HALF),
    "products": lambda shop: list(shop.products(filter=f"title = '{HALF}'")),
    "facets": lambda shop: shop.facets(HALF),
    "facets with a filter": lambda shop: shop.facets("category", filter=f"title = '{HALF}'"),
    "picture": lambda shop: shop.picture("tea-1", HALF),
    "update": lambda shop: shop.update("tea-1", {"title": HALF}),
    "update of a column": lambda shop: shop.update("tea-1", {"x": HALF}),
    "update of a list": lambda shop: shop.update("tea-1", {"x": ("a", HALF)}),
    "update of a new column": lambda shop: shop.update("tea-1", {HALF: 1}),
    "update of a product": lambda shop: shop.update(HALF, {"title": "a"}),
    "put": lambda shop: shop.put([(Product("x", title=HALF), {"a": photo(0)})]),
    "put of a column": lambda shop: shop.put([(Product("x", attributes={HALF: 1}), {"a": photo(0)})]),
    "delete": lambda shop: shop.delete([HALF]),
    "delete by filter": lambda shop: shop.delete(filter=f"title = '{HALF}'"),
    "export": lambda shop: list(shop.export(filter=f"title = '{HALF}'")),
}


@pytest.mark.parametrize("ask", list(ASKS))
def test_the_library_refuses_half_a_character(catalog, ask):
    with pytest.raises(BadInput, match=r"lone surrogate|half a character|no field"):
        ASKS[ask](catalog)
    assert catalog.search("mug")[0].product.id == "mug-1" and "\ud83d" not in "".join(catalog.schema)


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_the_client_refuses_half_a_character(place):  # noqa: F811
    with snapfind.Client(place[0]) as client:
        for name, ask in ASKS.items():
            with pytest.raises(SnapfindError) as refused:
                ask(client)
            assert refused.value.http_status < 500, name
        with pytest.raises(BadInput):
            client.record([Event("click", product=HALF)])


@pytest.mark.parametrize(
    "field", ["search", "session", "product", "category", "text", "filter", "space", "arm", "before"]
)
def test_events_refuse_half_a_character(field):
    with pytest.raises(BadInput, match=field):
        Event("click", **{"product": "a", "at": datetime.now(UTC), field: HALF})


def test_a_query_refuses_half_a_character_as_a_bad_query():
    for make in (lambda: QueryTerm(text=HALF), lambda: Query((QueryTerm(text="a"),), filter=HALF)):
        with pytest.raises(BadQuery):
            make()


@pytest.mark.skipif(sys.platform != "linux", reason="names of other systems are text")
def test_a_file_whose_name_is_not_utf_8_is_still_a_photo(catalog, tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/M\xfcsli.png")
    picture(0).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(name)
    assert catalog.search(name)[0].product.id == "tea-1"


def test_an_empty_catalog_is_true(tmp_path):
    """`if catalog` asks whether there is one; it was taken for none by a server on a new shop."""
    with snapfind.open(tmp_path / "new.snap") as shop:
        assert len(shop) == 0 and bool(shop)
    with snapfind.Client("http://127.0.0.1:9") as client:
        assert bool(client)
