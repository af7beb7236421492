"""An export is a table that `add` reads again: the same products, with copies the same pictures."""

import json

import duckdb
import pytest

import snapfind
from snapfind.catalog.storage.export import export_copies, write_table
from snapfind.core.errors import BadInput
from snapfind.index.payload import FIXED


def exported(catalog, target, **options):
    rows = catalog.export(**options)
    rows = export_copies(rows, catalog.picture, target.parent / "copies")
    write_table(rows, target, FIXED | catalog.schema, vectors=options.get("vectors", False))
    return target


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_an_export_added_again_gives_the_same_products(tmp_path, catalog, suffix):
    target = exported(catalog, tmp_path / f"out{suffix}")
    with snapfind.open(tmp_path / "again.snap") as again:
        report = again.add(target)
        assert (report.added, report.failures) == (4, [])
        for product in catalog.products():
            other = again.get(product.id)
            assert (other.title, other.price, other.attributes) == (product.title, product.price, product.attributes)
            assert len(other.pictures) == len(catalog.get(product.id).pictures)


def test_vectors_go_out_with_the_name_of_their_space(tmp_path, catalog):
    target = exported(catalog, tmp_path / "out.jsonl", vectors=True)
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    active = catalog.info()["model"]
    assert all(len(row["_vectors"][active]) == catalog.model.photo.space.dim for row in rows)
    assert all(abs(sum(x * x for x in row["_vectors"][active]) - 1) < 1e-3 for row in rows)
    parquet = exported(catalog, tmp_path / "out.parquet", vectors=True)
    with duckdb.connect() as connection:
        found = connection.execute(f"select _vectors from '{parquet}' where id = 'mug-1'").fetchone()[0]
    assert len(found[active]) == catalog.model.photo.space.dim


def test_a_filter_chooses_rows_and_a_wrong_ending_is_refused(tmp_path, catalog):
    assert {row["id"] for row in catalog.export(filter="category = 'tea'")} == {"tea-1", "tea-2"}
    with pytest.raises(BadInput, match=r"\.csv, \.jsonl, \.parquet"):
        write_table([], tmp_path / "out.xlsx", {}, vectors=False)


def test_an_export_that_fails_leaves_no_file(tmp_path):
    def rows():
        yield {"id": "1"}
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        write_table(rows(), tmp_path / "out.jsonl", {}, vectors=False)
    assert list(tmp_path.iterdir()) == []


def test_a_spreadsheet_takes_a_csv_and_gives_it_back(tmp_path, shop, catalog):
    catalog.update("tea-1", {"title": "Röd te; “stark”", "attributes": {"tags": ["hot", "røyk"]}})
    target = exported(catalog, shop.folder / "out.csv")
    assert target.read_bytes().startswith("\ufeffid,title,price".encode())
    assert b"_hash" not in target.read_bytes()
    report = catalog.add(target, dry_run=True)
    assert report.failures == [] and report.updated == 0
    with pytest.raises(BadInput, match="vectors"):
        exported(catalog, shop.folder / "out.csv", vectors=True)
