"""A field may have any printable name, given in any way; what cannot be a name leaves the catalog as it was."""

import json

import pytest

import snapfind
from snapfind.core.errors import SnapfindError
from snapfind.core.types import Product

NAMES = ['Screen (") (inches)', "a\\b", "`tick`.b[0]", "红色 {100 %} it's"]


def quoted(name):
    return "`" + name.replace("`", "``") + "`"


def as_csv(shop, name):
    shop.rows = [[*row, "red" if number else name] for number, row in enumerate(shop.rows)]
    with shop.open() as catalog:
        assert not catalog.add(shop.write()).failures


def as_jsonl(shop, name):
    rows = [{"id": "tea-1", name: "red", "picture": "a.png"}, {"id": "tea-2", name: "red", "picture": "b.png"}]
    table = shop.folder / "products.jsonl"
    table.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with shop.open() as catalog:
        assert not catalog.add(table).failures


def as_value(shop, name):
    with shop.open() as catalog:
        catalog.add(shop.table)
        given = [(Product(one, attributes={name: "red"}), {}) for one in ("tea-1", "tea-2")]
        assert not catalog.put(given).failures


def as_change(shop, name):
    with shop.open() as catalog:
        catalog.add(shop.table)
        for one in ("tea-1", "tea-2"):
            catalog.update(one, {name: "red"})


@pytest.mark.parametrize("way", [as_csv, as_jsonl, as_value, as_change])
@pytest.mark.parametrize("name", NAMES)
def test_any_printable_name_is_kept_filtered_and_counted(shop, way, name):
    way(shop, name)
    with shop.open() as catalog:
        assert catalog.get("tea-1").attributes[name] == "red"
        assert {one.id for one in catalog.products(filter=f"{quoted(name)} = 'red'")} >= {"tea-1", "tea-2"}
        assert dict(catalog.facets(name))["red"] >= 2
        assert catalog.search("tea", filter=f"exists({quoted(name)})")


@pytest.mark.parametrize("name", ["", "x" * 65, "new\nline", "nul\0", "half \ud83d", "_own", "title", "id", "\ue022"])
def test_a_name_that_cannot_be_a_field_is_refused_and_the_catalog_opens_again(shop, name):
    with shop.open() as catalog:
        catalog.add(shop.table)
        with pytest.raises(SnapfindError):
            report = catalog.put([(Product("tea-1", attributes={name: "red"}), {})])
            raise snapfind.core.errors.BadRow(report.failures[0].reason)
        if name not in {"title", "id"}:  # of `update` these are the product's own fields
            with pytest.raises(SnapfindError):
                catalog.update("tea-1", {name: "red"})
    with shop.open() as catalog:
        assert name not in catalog.schema and catalog.get("tea-1").title == "Red tea"


def test_a_catalog_whose_manifest_names_a_field_that_was_never_declared_opens(shop):
    with shop.open() as catalog:
        catalog.add(shop.table)
    manifest = shop.path / "manifest.json"
    values = json.loads(manifest.read_text())
    values["schema"]['size (")'] = "text"
    manifest.write_text(json.dumps(values))
    with shop.open() as catalog:
        assert len(catalog) == 3 and catalog.search("tea")
        catalog.update("tea-1", {'size (")': "XL"})
        assert [one.id for one in catalog.products(filter="`size (\")` = 'XL'")] == ["tea-1"]
