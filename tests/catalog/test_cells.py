"""Cells of every type and kind: what does not fit its column is left out and noted, and the product is there."""

import decimal
import json
from datetime import date, datetime

import duckdb
import numpy as np
import pytest

import snapfind
from snapfind.catalog.ingest.sources import open_source
from snapfind.core.errors import BadInput, BadRow
from snapfind.core.types import Product
from tests.media.pictures import scene, written

PICTURE = written(scene(), "PNG")


def read(tmp_path, text, name="t.csv", known=None, **options):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    source = open_source(path, known or {}, **options)
    return list(source), source


def one(tmp_path, **row):
    (item,), _ = read(tmp_path, json.dumps({"id": "1", "picture": "a.jpg", **row}) + "\n", "t.jsonl")
    return item.product


@pytest.mark.parametrize(
    ("known", "cell", "value"),
    [
        ("number", "XL", None),
        ("number", "0012345678905", None),
        ("number", "99999999999999999999999", None),
        ("number", "1234567890123456789", 1234567890123456789),
        ("number", "n/a", None),
        ("number", "-", None),
        ("number", "39", 39),
        ("bool", "perhaps", None),
        ("bool", "1", True),
        ("bool", "N", False),
        ("date", "soon", None),
        ("date", "2026-01-31", date(2026, 1, 31)),
        ("list", "a|b", ("a", "b")),
        ("list", '["a|b"]', ("a|b",)),
        ("text", "0012", "0012"),
    ],
)
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_cell_that_does_not_fit_costs_the_cell_and_not_the_product(tmp_path, name, known, cell, value):
    row = {"id": "1", "x": cell, "picture": "a.jpg"}
    quoted = '"' + cell.replace('"', '""') + '"'
    text = f"id,x,picture\n1,{quoted},a.jpg\n" if name == "t.csv" else json.dumps(row) + "\n"
    (item,), source = read(tmp_path, text, name, known={"x": known})
    assert item.product.attributes == ({} if value is None else {"x": value})
    silent = value is not None or cell in {"n/a", "-"}
    assert source.notes == () if silent else "x" in source.notes[0] and "product 1" in source.notes[0]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["38", "XL"], "text"),
        (["38", "n/a", "-"], "number"),
        (["true", "n/a"], "bool"),
        (["['a'; 'b']"], "text"),
        (["['a']"], "list"),
        (["n/a", "-"], None),
        (["", ""], None),
        (["0012345678905"], "text"),
        (["4006381333931"], "text"),
        (["1234567890123456789"], "text"),
        (["1234567"], "number"),
    ],
)
def test_the_kind_of_a_new_column(tmp_path, cells, kind):
    text = "id,x,picture\n" + "".join(f"{number},{cell},a.jpg\n" for number, cell in enumerate(cells))
    _, source = read(tmp_path, text)
    assert source.schema.get("x") == kind


def test_columns_of_codes_are_texts(tmp_path):
    _, source = read(tmp_path, "id,gtin,EAN code,width,picture\n1,40123455,1234567,7,a.jpg\n")
    assert source.schema == {"gtin": "text", "EAN code": "text", "width": "number"}


@pytest.mark.parametrize("price", ["Call for price", "Free", "-1", "n/a", "1,299", "10k", "\u20ac\u20ac"])
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_price_that_cannot_be_read_is_left_out(tmp_path, name, price):
    row = {"id": "1", "title": "Piano", "price": price, "picture": "a.jpg"}
    text = f'id,title,price,picture\n1,Piano,"{price}",a.jpg\n' if name == "t.csv" else json.dumps(row) + "\n"
    (item,), source = read(tmp_path, text, name)
    assert (item.product.title, item.product.price) == ("Piano", None)
    assert price == "n/a" or source.notes[0].startswith("1 cell was left out, the products are in: price")


def test_cells_left_out_are_counted_by_column(tmp_path):
    rows = "".join(f"{number},XL,Free,a.jpg\n" for number in range(1500))
    _, source = read(tmp_path, "id,size,price,picture\n" + rows, known={"size": "number"})
    assert [note.partition(" cells")[0] for note in source.notes] == ["1,500", "1,500"]


def test_the_kind_of_a_column_may_be_said(tmp_path):
    text = "id,size,picture\n1,38,a.jpg\n2,39,b.jpg\n"
    (first, _), source = read(tmp_path, text, kinds={"size": "text"})
    assert (first.product.attributes, source.schema) == ({"size": "38"}, {"size": "text"})
    (first, _), source = read(tmp_path, text, known={"size": "number"}, kinds={"size": "text"})
    assert (first.product.attributes, source.schema) == ({"size": "38"}, {"size": "text"})
    with pytest.raises(BadInput, match="no column 'color'"):
        read(tmp_path, text, kinds={"color": "text"})


def test_the_kind_of_a_stored_column_changes_with_its_values(shop):
    with shop.open() as catalog:
        catalog.add(shop.table)
        assert [one.id for one in catalog.products(filter="stock > 1")] != []
        shop.rows[1][5] = "many"
        assert catalog.add(shop.write(), kinds={"stock": "text"}).failures == []
        assert catalog.schema["stock"] == "text"
        assert catalog.get("tea-1").attributes["stock"] == "many"
        assert [one.id for one in catalog.products(filter="stock = '7'")] == ["mug-1"]
        assert dict(catalog.facets("stock")) == {"many": 1, "0": 1, "7": 1}
        shop.rows = [shop.rows[0], shop.rows[3]]
        report = catalog.add(shop.write(), kinds={"stock": "number"})
        assert [one.id for one in catalog.products(filter="stock > 1")] == ["mug-1"]
        assert "'many' is not a number" in " ".join(report.notes)
        assert "stock" not in catalog.get("tea-1").attributes
    with shop.open() as catalog:
        assert catalog.schema["stock"] == "number"


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (["x", None, "y"], ("x", "y")),
        ([1, 2.0, True], ("1", "2", "true")),
        ([{"w": 1}], ('{"w": 1}',)),
        ({"w": 1, "h": [2, None]}, '{"w": 1, "h": [2, null]}'),
        (1.2e22, 1.2e22),
        (12345678901234567890123, "12345678901234567890123"),
        (float("nan"), None),
        (float("inf"), None),
        (None, None),
        ([], None),
        (7.0, 7),
    ],
)
def test_values_of_json(tmp_path, value, stored):
    attributes = one(tmp_path, x=value).attributes
    assert attributes == ({} if stored is None else {"x": stored})


def test_built_in_fields_of_json_are_texts(tmp_path):
    product = one(tmp_path, id=123.0, title=7.0, brand=None, category=["Shoes", None, "Boots"], description={"a": 1})
    assert (product.id, product.title, product.brand) == ("123", "7", "")
    assert (product.category, product.description) == ("Shoes, Boots", '{"a": 1}')


def test_values_of_parquet(tmp_path):
    with duckdb.connect() as connection:
        connection.execute(
            f"""copy (select 123.0::double as id, 'Mug' as title, 2.50::decimal(6, 2) as price, 'a.png' as picture,
            ['x', null, 'y'] as tags, {{'w': 1}} as dims, '0012'::varchar as code, '38'::varchar as size,
            timestamptz '2026-01-01 10:00:00+02' as seen, date '2026-01-31' as added, time '10:00' as opens,
            9007199254740993::bigint as big, 'abc'::blob as raw, 'NaN'::double as hole, map {{'k': 1}} as pairs
            ) to '{tmp_path}/t.parquet' (format parquet)"""
        )
    source = open_source(tmp_path / "t.parquet", {})
    (item,) = source
    assert (item.product.id, item.product.price) == ("123", 2.5)
    assert item.product.attributes == {
        "tags": ("x", "y"),
        "dims": '{"w": 1}',
        "code": "0012",
        "size": "38",
        "seen": datetime.fromisoformat("2026-01-01T08:00:00+00:00"),
        "added": date(2026, 1, 31),
        "opens": "10:00:00",
        "big": "9007199254740993",
        "pairs": '{"k": 1}',
    }
    assert "raw" in source.notes[0] and len(source.notes[0]) < 200


@pytest.mark.parametrize(
    ("column", "names"),
    [
        ("{'bytes': x, 'path': 'in/a.png'} as image", ["a.png"]),
        ("{'bytes': x, 'path': null} as image", ["picture-1"]),
        ("x as image", ["picture-1"]),
        ("[x, x] as images", ["picture-1", "picture-2"]),
        ("[{'bytes': x, 'path': 'a.png'}, {'bytes': x, 'path': 'b.png'}] as images", ["a.png", "b.png"]),
        ("'front' as picture, x as bytes", ["front"]),
        ("{'src': 'a.png'} as image", ["a.png"]),
    ],
)
def test_pictures_inside_of_parquet_are_pictures(tmp_path, column, names):
    (tmp_path / "a.png").write_bytes(PICTURE)
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select 'a' as id, {column} from (select content as x from read_blob('{tmp_path}/a.png')))"
            f" to '{tmp_path}/t.parquet' (format parquet)"
        )
    with snapfind.open(tmp_path / "shop.snap") as shop:
        report = shop.add(tmp_path / "t.parquet")
        assert (report.added, report.failures, report.notes) == (len(names), [], [])
        assert sorted(picture.name for picture in shop.get("a").pictures) == names
        assert shop.search(PICTURE)[0].product.id == "a"


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (np.int64(5), 5),
        (np.float32(1.5), 1.5),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (np.datetime64("2026-01-31"), date(2026, 1, 31)),
        (np.datetime64("2026-01-31T10:00:00", "ns"), datetime(2026, 1, 31, 10)),
        (np.array(["a", "b"]), ("a", "b")),
        (["a", None], ("a",)),
        (decimal.Decimal("2.5"), 2.5),
        (decimal.Decimal("NaN"), None),
        (float("nan"), None),
        ({"w": np.int64(1)}, '{"w": 1}'),
        ("38", "38"),
        ("2026-01-31", date(2026, 1, 31)),
    ],
)
def test_put_and_update_take_values_of_any_library(tmp_path, value, stored):
    wanted = {} if stored is None else {"x": stored}
    with snapfind.open(tmp_path / "shop.snap") as shop:
        assert shop.put([(Product("a", attributes={"x": value}), {"a.png": PICTURE})]).failures == []
        assert shop.get("a").attributes == wanted
        shop.update("a", {"x": value})
        assert shop.get("a").attributes == wanted


@pytest.mark.parametrize("price", [np.float64(3.5), np.float32(3.5), decimal.Decimal("3.5")])
def test_prices_of_any_library(tmp_path, price):
    with snapfind.open(tmp_path / "shop.snap") as shop:
        shop.put([(Product("a", price=price), {"a.png": PICTURE})])
        assert shop.get("a").price == 3.5
        shop.update("a", {"price": np.int64(4)})
        assert shop.get("a").price == 4
        for wrong in ("free", True, -1):
            with pytest.raises(BadInput, match="price"):
                shop.update("a", {"price": wrong})
        shop.update("a", {"price": float("nan")})
        assert shop.get("a").price is None
    with pytest.raises(BadInput, match="price"):
        Product("a", price="free")
    with pytest.raises(BadInput, match="an id must have 1 to 256 characters"):
        Product(np.int64(5))


def test_put_keeps_a_product_whose_value_does_not_fit(tmp_path):
    with snapfind.open(tmp_path / "shop.snap") as shop:
        shop.put([(Product("a", attributes={"size": 38}), {"a.png": PICTURE})])
        report = shop.put([(Product("b", title="Shirt", attributes={"size": "XL"}), {"b.png": PICTURE})])
        assert (report.added, report.failures) == (1, []) and "'XL'" in report.notes[0]
        assert shop.get("b").title == "Shirt"
        with pytest.raises(BadRow, match="'XL' is not a number"):
            shop.update("b", {"size": "XL"})
