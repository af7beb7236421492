"""`snapfind add` and `export`: columns and their kinds, notes, and every form of a table."""

import gzip
import json

import pytest

import snapfind
from snapfind.catalog.ingest.columns import parse_columns
from snapfind.core.errors import BadInput
from tests.pictures import save


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(1, tmp_path / "a.png")
    save(2, tmp_path / "b.png")
    return tmp_path


def test_the_kind_of_a_column_may_be_said_and_changed(place, run):
    (place / "t.csv").write_text("Handle,size,picture\n1,38,a.png\n2,39,b.png\n")
    assert run("add", "s.snap", "t.csv", "--column", "id=Handle")[0] == 0
    (place / "t.csv").write_text("Handle,size,picture\n1,38,a.png\n2,XL,b.png\n")
    code, _, err = run("add", "s.snap", "t.csv", "--column", "id=Handle")
    assert code == 0 and "'XL' is not a number" in err and "--column size:text" in err
    assert run("add", "s.snap", "t.csv", "--column", "id=Handle", "--column", "size:text")[0] == 0
    with snapfind.open("s.snap") as shop:
        assert [shop.get(one).attributes["size"] for one in "12"] == ["38", "XL"]
    code, _, err = run("add", "s.snap", "t.csv", "--column", "id=Handle", "--column", "color:text")
    assert code == 2 and "no column 'color'" in err


def test_notes_are_printed_and_in_the_json(place, run):
    (place / "in").mkdir()
    (place / "in" / "notes.txt").write_text("x")
    save(3, place / "in" / "a.png")
    code, _, err = run("add", "s.snap", "in")
    assert code == 0 and "1 .txt" in err
    assert "1 .txt" in json.loads(run("add", "s.snap", "in", "--json")[1])["notes"][0]


def test_a_compressed_table_is_added_and_an_export_added_again(place, run):
    (place / "t.csv.gz").write_bytes(gzip.compress(b"id,tags:list,title,picture\n1,x|y,=mug,a.png\n"))
    assert run("add", "s.snap", "t.csv.gz")[0] == 0
    assert run("export", "s.snap", "o.csv")[0] == 0
    assert run("add", "again.snap", "o.csv")[0] == 0
    with snapfind.open("again.snap") as shop:
        product = shop.get("1")
        assert (product.title, product.attributes) == ("=mug", {"tags": ("x", "y")})


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("id=Handle", ({"id": "Handle"}, {})),
        ("size:text", ({}, {"size": "text"})),
        (" size : list ", ({}, {"size": "list"})),
        ("a=b:number", ({}, {"a=b": "number"})),
        ("price=Cost:number", ({"price": "Cost:number"}, {})),
        ("Color: main:text", ({}, {"Color: main": "text"})),
    ],
)
def test_what_is_said_of_a_column(text, parsed):
    assert parse_columns([text]) == parsed


@pytest.mark.parametrize("text", ["Handle", "id=", "size:word", ":text", ""])
def test_what_says_nothing_of_a_column(text):
    with pytest.raises(BadInput, match="write id=Handle"):
        parse_columns([text])
