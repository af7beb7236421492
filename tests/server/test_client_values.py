"""The client sends what the library takes, and works where an event loop runs."""

import asyncio
import decimal
from datetime import date

import numpy as np
import pytest

import snapfind
from snapfind.core.errors import BadInput
from snapfind.core.types import Product
from snapfind.server import build
from tests.catalog.conftest import Shop
from tests.pictures import save
from tests.server.conftest import photo
from tests.server.test_client import listening

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.fixture
def place(tmp_path):
    shop = Shop(tmp_path)
    catalog = shop.open()
    catalog.add(shop.table)
    with listening(build(catalog)) as url, snapfind.Client(url) as client:
        yield shop, catalog, client


def test_values_of_any_library_arrive_as_those_of_put(place):
    _, catalog, client = place
    attributes = {
        "i": np.int64(5),
        "f": np.float32(1.5),
        "b": np.bool_(True),
        "d": decimal.Decimal("2.5"),
        "nan": float("nan"),
        "day": date(2026, 1, 31),
        "list": ["a", None, 1.0],
        "tuple": ("a", "b"),
        "object": {"w": 1},
        "big": 2**60,
        "size": "38",
    }
    product = Product("new", price=np.float64(3.5), attributes=attributes)
    assert client.put([(product, {"a.png": photo(70)})]).failures == []
    assert catalog.put([(Product("own", attributes=attributes), {"a.png": photo(71)})]).failures == []
    assert catalog.get("new").attributes == catalog.get("own").attributes
    assert catalog.get("new").price == 3.5
    assert client.update("new", {"price": np.int64(4), "i": np.int64(6), "d": None}).price == 4
    assert catalog.get("new").attributes["i"] == 6 and "d" not in catalog.get("new").attributes
    with pytest.raises(BadInput, match="bytes"):
        client.put([(Product("new", attributes={"x": b"1"}), {})])


def test_a_later_batch_may_have_sizes_that_are_no_numbers(place):
    shop, catalog, client = place
    rows = [f"s{number},{number},p.png" for number in range(60)] + ["xl,XL,p.png"]
    save(80, shop.folder / "p.png")
    (shop.folder / "sizes.csv").write_text("\n".join(["id,size,picture", *rows]))
    report = client.add(shop.folder / "sizes.csv")
    assert (report.added, report.failures, report.notes) == (61, [], [])
    assert (catalog.get("xl").attributes, catalog.get("s7").attributes) == ({"size": "XL"}, {"size": "7"})


def test_notes_of_both_sides_arrive(place):
    shop, _, client = place
    (shop.folder / "more.csv").write_text("id,stock,price,picture\ntea-1,many,Call us,a.png\n")
    report = client.add(shop.folder / "more.csv")
    assert report.failures == [] and len(report.notes) == 2
    report = client.put([(Product("tea-1", attributes={"stock": "many"}), {})])
    assert report.failures == [] and "'many'" in report.notes[0]


def test_the_kind_of_a_new_column_may_be_said(place):
    shop, catalog, client = place
    (shop.folder / "more.csv").write_text("id,size,picture\nmug-1,38,c.png\n")
    client.add(shop.folder / "more.csv", kinds={"size": "text"})
    assert catalog.schema["size"] == "text"
    with pytest.raises(BadInput, match="'size' has the type text on the server"):
        client.add(shop.folder / "more.csv", kinds={"size": "number"})


def test_the_client_works_in_a_notebook(place, monkeypatch):
    shop, _, client = place
    monkeypatch.setenv("SNAPFIND_FETCH", "public")
    (shop.folder / "u.csv").write_text("id,picture\nz,http://127.0.0.1:9/x.jpg\n")

    async def cell():
        return client.add(shop.folder / "u.csv"), client.search(photo(1))[0].product.id

    report, best = asyncio.run(cell())
    assert [failure.code for failure in report.failures] == ["picture_url"]
    assert best == "tea-2"
