"""What is exported is the same when it is added again, in every format, and does no harm in a spreadsheet."""

import csv
import json
from datetime import date, datetime

import pytest

import snapfind
from snapfind.catalog.ingest.csv_safety import escape, unescape
from snapfind.catalog.ingest.report import AddReport
from snapfind.catalog.ingest.sources import Failure
from snapfind.catalog.storage.export import write_table
from snapfind.cli.add import _write_failures as write_failures
from snapfind.core.types import Product
from snapfind.evaluation.report import EvaluatedQuery, Report
from snapfind.index.payload import FIXED
from tests.catalog.test_cells import PICTURE

FORMATS = ["csv", "jsonl", "parquet"]
NAMES = ["a|b.png", "a, b.png", "a;b.png", "=a.png", "-a.png", "[a].png", "sub/\u00fc.png", 'it\'s "a".png']
VALUES = {
    "tags": ("a", "b"),
    "bars": ("x|y", "z"),
    "single": ("one",),
    "gtin": "0012345678905",
    "ref": "1234567890123456789",
    "size": "XL",
    "width": 12.5,
    "stock": 3,
    "minus": -5,
    "organic": True,
    "added": date(2026, 1, 31),
    "seen": datetime(2026, 1, 31, 10, 0),
    "formula": "=1+1",
    "quoted": "'=1+1",
    "lines": 'one\ntwo, "three"; four\tfive',
    "bar": "Red | Kiln",
}


@pytest.fixture
def exported(tmp_path):
    """A function that exports one product to a format and adds it to a new catalog."""
    pictures = {name: PICTURE + bytes([number]) for number, name in enumerate(NAMES)}
    for name, content in pictures.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)

    def export(kind):
        product = Product("=a", '@title, "x"', 5, "+brand", "-category", '=HYPERLINK("x")', VALUES)
        with snapfind.open(tmp_path / "shop.snap") as shop:
            assert shop.put([(product, pictures)]).failures == []
            before = shop.get("=a")
            write_table(shop.export(), tmp_path / f"out.{kind}", FIXED | shop.schema, vectors=False)
            schema = shop.schema
        with snapfind.open(tmp_path / f"{kind}.snap") as again:
            report = again.add(tmp_path / f"out.{kind}")
            assert (report.failures, report.notes) == ([], [])
            return before, schema, again.get("=a"), again.schema

    return export


@pytest.mark.parametrize("kind", FORMATS)
def test_a_product_is_the_same_after_export_and_add(exported, kind):
    before, schema, after, again = exported(kind)
    assert again == schema
    assert after.attributes == before.attributes
    assert [getattr(after, name) for name in FIXED] == [getattr(before, name) for name in FIXED]
    assert sorted(one.name for one in after.pictures) == sorted(NAMES)


@pytest.mark.parametrize("kind", FORMATS)
def test_texts_that_look_like_numbers_stay_texts(tmp_path, kind):
    (tmp_path / "a.png").write_bytes(PICTURE)
    with snapfind.open(tmp_path / "shop.snap") as shop:
        shop.put([(Product("a", attributes={"size": "38", "tags": ("38",)}), {"a.png": PICTURE})])
        write_table(shop.export(), tmp_path / f"out.{kind}", FIXED | shop.schema, vectors=False)
    with snapfind.open(tmp_path / "again.snap") as again:
        again.add(tmp_path / f"out.{kind}")
        assert again.get("a").attributes["tags"] == ("38",)
        assert again.get("a").attributes["size"] == "38"


def test_rows_hold_what_add_reads_and_nothing_of_our_own(catalog, tmp_path):
    assert not any(name.startswith("_") for row in catalog.export() for name in row)
    write_table(catalog.export(), tmp_path / "o.jsonl", FIXED | catalog.schema, vectors=False)
    assert "_hash" not in (tmp_path / "o.jsonl").read_text()


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\uff1d", "'=", "''@"])
def test_a_spreadsheet_runs_no_cell(start):
    cell = start + "cmd|' /C calc'!A0"
    assert escape(cell) == "'" + cell and unescape(escape(cell)) == cell


@pytest.mark.parametrize("cell", ["-5", "+3.5", "-1,5", "mug", "it's", "'mug'", "", 5, None])
def test_what_no_spreadsheet_runs_is_left_as_it_is(cell):
    assert escape(cell) == cell
    assert cell is None or unescape(str(cell)) == str(cell)


def test_every_csv_is_safe_in_a_spreadsheet(exported, tmp_path):
    exported("csv")
    write_failures(tmp_path / "errors.csv", AddReport(failures=[Failure("=a", "row_bad", "@b", "+c")]))
    report = Report((EvaluatedQuery("=query", frozenset({"@a"}), ("-b",), score=0.5),))
    for text in [
        (tmp_path / "out.csv").read_text(encoding="utf-8-sig"),
        (tmp_path / "errors.csv").read_text(),
        report.to_csv(),
    ]:
        cells = [cell for row in csv.reader(text.splitlines()) for cell in row]
        assert not [
            cell for cell in cells if cell[:1] in set("=+@\t\r") or (cell[:1] == "-" and not cell[1:].isdigit())
        ]


def test_a_picture_is_a_list_in_jsonl_only_where_its_name_could_be_several(exported, tmp_path):
    exported("jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    named = {row["picture"][0] if isinstance(row["picture"], list) else row["picture"]: row["picture"] for row in rows}
    assert named["a|b.png"] == ["a|b.png"] and named["sub/\u00fc.png"] == "sub/\u00fc.png"
