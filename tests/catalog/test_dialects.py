"""Tables are read as shops and spreadsheets write them; one bad row is listed, the others are products."""

import codecs
import gzip
import io
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapfind.catalog.ingest.delimited import read_delimited
from snapfind.catalog.ingest.sources import Failure, Item, open_source
from snapfind.core.errors import BadInput, BadRow
from snapfind.evaluation.queries import read_queries

PLAIN = "id,title,price,picture\na,Mug,1.5,a.jpg\nb,Cup,2,b.jpg\n"


def read(tmp_path, text, name="t.csv", **options):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(open_source(path, {}, **options))


def products(found):
    return [(one.product.id, one.product.title, one.product.price) for one in found if isinstance(one, Item)]


@pytest.mark.parametrize(
    "text",
    [
        "id,title,price,picture,,\na,Mug,1.5,a.jpg,,\nb,Cup,2,b.jpg,,\n",
        "id,title,price,picture,,\na,Mug,1.5,a.jpg\nb,Cup,2,b.jpg,,seen\n",
        "id,title,,price,picture\na,Mug,x,1.5,a.jpg\nb,Cup,,2,b.jpg\n",
        "id,title,price,picture\na,Mug,1.5,a.jpg,\nb,Cup,2,b.jpg,,,\n",
        "sep=,\nid,title,price,picture\na,Mug,1.5,a.jpg\nb,Cup,2,b.jpg\n",
        '"sep=;"\nid;title;price;picture\na;Mug;1,5;a.jpg\nb;Cup;2;b.jpg\n',
        "sep=|\nid|title|price|picture\na|Mug|1.5|a.jpg\nb|Cup|2|b.jpg\n",
        "\ufeffsep=\t\r\nid\ttitle\tprice\tpicture\r\na\tMug\t1.5\ta.jpg\r\nb\tCup\t2\tb.jpg\r\n",
        "\n\nExport of Monday, 4 May\nShop: Kiln\n\n" + PLAIN,
        "# made by, a program\n" + PLAIN,
        PLAIN.replace("\n", "\r"),
        PLAIN.replace("\n", "\r\n") + "\x1a",
        PLAIN.replace("Mug", "M\0ug"),
        PLAIN.replace("a,Mug,1.5,a.jpg", "a;Mug;1.5;a.jpg"),
        PLAIN.replace("Mug", '"Mug"').replace(",", ", "),
        '"id","title","price","picture"\n"a","Mug","1.5","a.jpg"\n"b","Cup","2","b.jpg"\n',
        "id|title|price|picture\na|Mug|1.5|a.jpg\nb|Cup|2|b.jpg\n",
        "id,title,price,picture,note\na,Mug,1.5,a.jpg\nb,Cup,2,b.jpg\n",
        "ID , Title,PRICE,Picture\na,Mug,1.5,a.jpg\nb,Cup,2,b.jpg\n",
        '"id","title","price","picture","color, of\nthe glaze"\na,Mug,1.5,a.jpg,red\nb,Cup,2,b.jpg,blue\n',
    ],
)
def test_every_dialect_gives_the_same_products(tmp_path, text):
    found = read(tmp_path, text)
    assert products(found) == [("a", "Mug", 1.5), ("b", "Cup", 2)], found


@pytest.mark.parametrize("delimiter", ["\t", ",", ";"])
def test_quotes_that_are_never_closed_swallow_no_rows(tmp_path, delimiter):
    rows = [
        ["id", "title", "picture"],
        ["1", '"Mug', "a.jpg"],
        ["2", 'Cup 5" wide', "b.jpg"],
        ["3", '"Big" bowl', "c.jpg"],
        ["4", '"Pot 7" high"', "d.jpg"],
        ["5", "Plate", "e.jpg"],
    ]
    if delimiter != "\t":
        rows.pop(2)  # 5" would close the quote of the first row
    found = read(tmp_path, "\n".join(delimiter.join(row) for row in rows))
    titles = {one.product.id: one.product.title for one in found}
    assert titles == {"1": '"Mug', "3": '"Big" bowl', "4": 'Pot 7" high', "5": "Plate"} | (
        {"2": 'Cup 5" wide'} if delimiter == "\t" else {}
    )


def test_quotes_of_two_rows_of_a_tsv_do_not_join_them(tmp_path):
    found = read(tmp_path, 'id\ttitle\tpicture\n1\t"Mug\ta.jpg\n2\tCup\tb.jpg\n3\tHat"\tc.jpg\n', "t.tsv")
    assert [one.picture for one in found] == ["a.jpg", "b.jpg", "c.jpg"]


def test_cells_may_have_line_breaks_delimiters_and_quotes(tmp_path):
    (one, two) = read(tmp_path, 'id,title,picture\r\n1,"Mug, ""red""\r\nand round",a.jpg\r\n2,"",b.jpg\r\n')
    assert (one.product.title, one.picture, two.picture) == ('Mug, "red"\r\nand round', "a.jpg", "b.jpg")


def test_rows_that_cannot_be_read_are_listed_by_line(tmp_path):
    long = "x" * (9 * 2**20)
    text = f"id,title,picture\n1,one,a.jpg\n2,too,many,cells\n3,{long},c.jpg\n".encode()
    found = read(tmp_path, text + "4,bl\u00e5,d.jpg\n".encode("latin-1") + b"5,five,e.jpg\n")
    assert [one.product.id for one in found if isinstance(one, Item)] == ["1", "5"]
    failures = [one for one in found if isinstance(one, Failure)]
    assert [one.path for one in failures] == ["t.csv line 3", "t.csv line 4", "t.csv line 5"]
    for failure, said in zip(failures, ["4 cells", "characters", "UTF-8"]):
        assert said in failure.reason


def test_a_long_cell_is_added(tmp_path):
    found = read(tmp_path, f'id,description,picture\n1,"{"long text " * 20_000}",a.jpg\n2,short,b.jpg\n')
    assert [one.product.id for one in found] == ["1", "2"]


def test_columns_of_one_name_are_kept_apart_but_no_second_id(tmp_path):
    (one,) = read(tmp_path, "id,Color,Color,picture\n1,red,blue,a.jpg\n")
    assert one.product.attributes == {"Color": "red", "Color (2)": "blue"}
    with pytest.raises(BadInput, match="same name 'id'"):
        read(tmp_path, "id,id,picture\n1,2,a.jpg\n")


ROWS = [{"id": "a", "title": "Müg", "picture": "a.jpg"}, {"id": "b", "title": "茶", "picture": "b.jpg"}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
LIST = json.dumps(ROWS, ensure_ascii=False, indent=1)
CELLS = "id,title,picture\na,Müg,a.jpg\nb,茶,b.jpg\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", CELLS),
        ("t.txt", CELLS.replace(",", "\t")),
        ("t.tsv", CELLS.replace(",", "\t")),
        ("t.jsonl", LINES),
        ("t.ndjson", LINES.replace("\n", "\r\n")),
        ("t.json", LIST),
        ("t.jsonl", LIST),
        ("t.json", LINES),
    ],
)
def test_encodings_and_forms_are_told_by_content(tmp_path, name, text, encoding):
    content = text.encode(encoding)
    assert [one.product.title for one in read(tmp_path, content, name)] == ["Müg", "茶"]
    assert [one.product.title for one in read(tmp_path, gzip.compress(content), name + ".gz")] == ["Müg", "茶"]


def test_what_is_no_table_is_named_as_what_it_is(tmp_path):
    for name, content, said in [
        ("t.csv", b"PK\3\4" + b"\0" * 64, "spreadsheet or a zip"),
        ("t.csv.gz", gzip.compress(CELLS.encode() * 99)[:60], "gzip"),
        ("t.json", b'{"products": []}', "not a list of products"),
        ("t.csv", codecs.BOM_UTF8, "no rows"),
        ("t.csv", "id,gr\u00f6\u00dfe,picture\n1,2,a.jpg\n".encode("latin-1"), "UTF-8"),
        ("t.xlsx", b"PK\3\4", "save the sheet as CSV"),
    ]:
        with pytest.raises(BadInput, match=said):
            read(tmp_path, content, name)


@pytest.mark.parametrize("before", ["", "sep=;\n", "Queries of May\n\n"])
def test_queries_are_read_as_tables_are(tmp_path, before):
    path = tmp_path / "q.csv"
    path.write_text(f'{before}text;product;;\nred mug;1|2;;\n"blue ""mug""";3\n', encoding="utf-8-sig")
    asked, wrong = read_queries(path)
    assert [(one.text, sorted(one.products)) for one in asked] == [("red mug", ["1", "2"]), ('blue "mug"', ["3"])]
    assert wrong == []


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_the_number_of_columns_is_bounded(tmp_path, suffix):
    names = ["id", "picture", *(f"c{number}" for number in range(1001))]
    cells = ["1", "a.jpg", *["x"] * 1001]
    text = ",".join(names) + "\n" + ",".join(cells) if suffix == "csv" else json.dumps(dict(zip(names, cells)))
    with pytest.raises(BadInput, match="1,001 columns; the maximum is 1,000"):
        read(tmp_path, text, f"t.{suffix}")


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab\",;\t|\n\r\0'=\ufeff \udc80", max_size=60), st.sampled_from([",", "\t", ";"]))
def test_any_text_after_a_header_gives_rows_or_failures(text, delimiter):
    head = delimiter.join(["id", "picture", "x"]) + "\n"
    table = read_delimited(io.StringIO(head + text, newline=""), "t.csv", [("id",), ("picture",)])
    for line, row in table.rows:
        assert line >= 2
        assert isinstance(row, BadRow) or set(row) <= {"id", "picture", "x"}


@pytest.mark.parametrize("row", ['"', '"a,', 'a,"b', '"" "', '""",', '",",', "a"])
def test_reading_takes_time_in_proportion(row):
    def seconds(count):
        file = io.StringIO("id,picture\n" + (row + "\n") * count, newline="")
        begin = time.process_time()
        rows = sum(1 for _ in read_delimited(file, "t.csv", [("id",), ("picture",)]).rows)
        return time.process_time() - begin, rows

    few, _ = seconds(4_000)
    many, rows = seconds(40_000)
    assert rows > 0 and many < 40 * few + 0.5


@pytest.mark.parametrize(
    ("text", "noted"),
    [
        ("id,title,picture,,\na,Mug,a.jpg,,\nb,Cup,b.jpg,,\n", ""),
        ("id,title,picture,,\na,Mug,a.jpg,red,\nb,Cup,b.jpg,,\n", "1 row has"),
        ("id;title;;picture\na;Mug;red;a.jpg\nb;Cup;blue;b.jpg\n", "2 rows have"),
    ],
)
def test_values_of_a_column_without_a_name_are_noted(tmp_path, text, noted):
    table = tmp_path / "t.csv"
    table.write_text(text)
    source = open_source(table, {})
    assert len(list(source)) == 2
    notes = [note for note in source.notes if "without a name" in note]
    assert [note.partition(" a value")[0] for note in notes] == ([noted] if noted else [])
