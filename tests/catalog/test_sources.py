"""Tables and folders become items; what is broken becomes a failure in its place."""

import json
import threading
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import ClassVar

import duckdb
import pytest

import snapfind
from snapfind.catalog.ingest.sources import Failure, Item, open_source
from snapfind.core.errors import BadInput, NotFound
from snapfind.media.fetch import FetchPolicy
from tests.media.pictures import scene, written
from tests.pictures import save


def entries(path, known=None, root=None):
    return list(open_source(path, known or {}, root))


def table(tmp_path, text, name="products.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_gives_typed_products(tmp_path):
    path = table(
        tmp_path,
        "id,title,price,brand,category,picture,stock,organic,added,code\n"
        "1,Red tea,4.50,Acme,tea,a.jpg,3,true,2026-01-31,007\n"
        "2,Green tea,5,Acme,tea,b.jpg|c.jpg,0,false,2026-02-01,012\n",
    )
    first, second, third = entries(path)
    assert isinstance(first, Item)
    assert (first.product.title, first.product.price, first.picture) == ("Red tea", 4.5, "a.jpg")
    assert first.product.attributes == {"stock": 3, "organic": True, "added": date(2026, 1, 31), "code": "007"}
    assert (second.picture, third.picture, second.product) == ("b.jpg", "c.jpg", third.product)
    assert open_source(path, {}, None).schema == {"stock": "number", "organic": "bool", "added": "date", "code": "text"}


@pytest.mark.parametrize("mark", [";", "\t"])
def test_semicolons_and_tabs_part_cells_too(tmp_path, mark):
    path = table(tmp_path, mark.join(["id", "title", "picture"]) + "\n" + mark.join(["1", "Tea, red", "a.jpg"]) + "\n")
    assert entries(path)[0].product.title == "Tea, red"


def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path):
    path = tmp_path / "excel.csv"
    path.write_bytes("﻿id,picture\n1,a.jpg\n".encode())
    assert entries(path)[0].product.id == "1"


def test_jsonl_and_parquet_give_the_same_products(tmp_path):
    rows = [
        {"id": "1", "title": "茶", "price": 4.5, "tags": ["hot", "红"], "picture": ["a.jpg"]},
        {"id": "2", "title": "te", "price": 5, "tags": [], "picture": ["b.jpg", "c.jpg"]},
    ]
    lines = table(tmp_path, "".join(json.dumps(row) + "\n" for row in rows), "p.jsonl")
    with duckdb.connect() as connection:
        connection.execute(f"copy (from read_json('{lines}')) to '{tmp_path / 'p.parquet'}' (format parquet)")
    from_json, from_parquet = entries(lines), entries(tmp_path / "p.parquet")
    assert [(item.product, item.picture) for item in from_json] == [
        (item.product, item.picture) for item in from_parquet
    ]
    assert from_json[0].product.attributes == {"tags": ("hot", "红")}


def test_broken_rows_are_failures_and_the_rest_goes_on(tmp_path):
    path = table(
        tmp_path,
        "id,title,price,picture\n"
        "1,one,4,a.jpg\n"
        ",no id,4,a.jpg\n"
        "3,three,four,a.jpg\n"
        "4,four,4,\n"
        "5,too,many,cells,here\n"
        "6,six,-1,a.jpg\n"
        "7,seven,4,../../secret.jpg\n"
        "8,eight,4,http://10.0.0.1/a.jpg\n"
        "9,nine,4,a.jpg\n",
    )
    found = entries(path)
    assert [entry.product.id for entry in found if isinstance(entry, Item)] == ["1", "3", "6", "9"]
    failures = [entry for entry in found if isinstance(entry, Failure)]
    assert [failure.code for failure in failures] == [
        "row_bad", "picture_missing", "row_bad", "picture_outside", "picture_url",
    ]  # fmt: skip
    assert failures[0].path == "products.csv line 3"


def test_known_kinds_win_over_what_a_column_looks_like(tmp_path):
    path = table(tmp_path, "id,size,picture\n1,42,a.jpg\n2,XL,b.jpg\n")
    source = open_source(path, {"size": "number"})
    assert [item.product.attributes for item in source] == [{"size": 42}, {}]
    (note,) = source.notes
    assert "'XL'" in note and "product 2" in note and "--column size:text" in note
    assert open_source(path, {}, None).schema == {"size": "text"}


def test_columns_that_start_with_an_underscore_are_left_out(tmp_path):
    path = table(tmp_path, "id,picture,_hash,_vectors\n1,a.jpg,x,y\n")
    assert entries(path)[0].product.attributes == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("titel,pic\n1,2\n", "'id'"),
        ("id,pictur\n1,a.jpg\n", "did you mean 'pictur'"),
        ("id,id,picture\n1,1,a\n", "same name"),
        ("", "no rows"),
        ("id,picture\n", "no rows"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(tmp_path, text, said):
    with pytest.raises(BadInput, match=said):
        open_source(table(tmp_path, text), {}, None)


def test_a_table_in_another_encoding_says_what_to_do(tmp_path):
    path = tmp_path / "old.csv"
    path.write_bytes("id,title,picture\n1,blåbär,a.jpg\n".encode("latin-1"))
    with pytest.raises(BadInput, match="UTF-8"):
        open_source(path, {}, None)


def test_a_parquet_file_that_is_none_says_so(tmp_path):
    with pytest.raises(BadInput, match="Parquet"):
        open_source(table(tmp_path, "nonsense", "p.parquet"), {}, None)


def test_a_damaged_parquet_file_in_a_deep_folder_is_named_without_the_folder(tmp_path):
    folder = tmp_path / "private-folder" / ("deep" * 12)
    folder.mkdir(parents=True)
    with pytest.raises(BadInput) as raised:
        open_source(table(folder, "nonsense", "p.parquet"), {}, None)
    assert "p.parquet" in str(raised.value) and "private-folder" not in str(raised.value)


def test_a_folder_of_pictures_and_a_folder_per_product(tmp_path):
    save(1, tmp_path / "red-tea.jpg")
    save(2, tmp_path / "shoes" / "runner_2" / "front.png")
    save(3, tmp_path / "shoes" / "runner_2" / "back.png")
    save(4, tmp_path / ".hidden" / "x.png")
    (tmp_path / "notes.txt").write_text("not a picture")
    found = {item.picture: item.product for item in entries(tmp_path)}
    assert set(found) == {"red-tea.jpg", "shoes/runner_2/front.png", "shoes/runner_2/back.png"}
    assert found["red-tea.jpg"].title == "red tea"
    back = found["shoes/runner_2/back.png"]
    assert (back.id, back.title, back.category) == ("shoes/runner_2", "runner 2", "shoes")


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("IMG_2041", ""),
        ("20260131_101500", ""),
        ("3f9a2b77c0de", ""),
        ("p12", ""),
        ("cafe 4", "cafe 4"),
        ("red-tea", "red tea"),
    ],
)
def test_names_that_a_camera_made_up_are_no_titles(tmp_path, name, title):
    save(1, tmp_path / f"{name}.png")
    assert entries(tmp_path)[0].product.title == title


def test_a_catalog_inside_the_folder_is_not_its_source(tmp_path):
    save(1, tmp_path / "a.png")
    for name in ("manifest.json", "lock"):
        (tmp_path / "shop.snap").mkdir(exist_ok=True)
        (tmp_path / "shop.snap" / name).touch()
    save(2, tmp_path / "shop.snap" / "pictures" / "ab" / "copy.jpg")
    assert [item.picture for item in entries(tmp_path)] == ["a.png"]


def test_links_that_lead_out_of_the_folder_are_failures(tmp_path):
    outside = save(1, tmp_path / "outside" / "a.jpg")
    inside = tmp_path / "shop"
    inside.mkdir()
    save(2, inside / "b.jpg")
    (inside / "link.jpg").symlink_to(outside)
    codes = [entry.code for entry in entries(inside) if isinstance(entry, Failure)]
    assert codes == ["picture_outside"]


def test_what_is_no_source_says_what_is(tmp_path):
    with pytest.raises(NotFound):
        open_source(tmp_path / "nothing.csv", {}, None)
    with pytest.raises(BadInput, match="no pictures"):
        open_source(tmp_path, {}, None)
    with pytest.raises(BadInput, match=r"\.csv"):
        open_source(table(tmp_path, "x", "products.xlsx"), {}, None)


def test_a_name_that_is_not_utf8_is_one_failure(tmp_path):
    save(1, tmp_path / "mug.png")
    (tmp_path / "mug.png").with_name(b"gr\xf6n.png".decode("utf-8", "surrogateescape")).write_bytes(b"x")
    failure, item = sorted(entries(tmp_path), key=lambda entry: isinstance(entry, Item))
    assert item.product.id == "mug"
    assert failure.path == "gr�n.png" and "rename" in failure.reason
    failure.path.encode()


def test_a_list_in_json_is_a_table(tmp_path):
    one, failure = entries(table(tmp_path, '[{"id": 7, "title": "茶", "picture": "a.jpg"}, 3]', "p.json"))
    assert (one.product.id, one.product.title, failure.code) == ("7", "茶", "row_bad")
    for text in ('{"products": []}', "[1,", ""):
        with pytest.raises(BadInput, match=r"p\.json is"):
            entries(table(tmp_path, text, "p.json"))


def test_half_of_a_character_is_one_failure(tmp_path):
    lines = table(tmp_path, '{"id": "1", "title": "\\ud83d", "picture": "a"}\n{"id": "2", "picture": "b"}\n', "p.jsonl")
    failure, item = entries(lines)
    assert isinstance(failure, Failure) and item.product.id == "2"


def test_columns_may_have_their_own_names(tmp_path):
    path = table(tmp_path, "Handle,Title,Variant Price,Image Src,id\nmug,Mug,4,a.jpg,77\n")
    named = {"id": "Handle", "price": "variant price", "picture": "Image Src"}
    (item,) = open_source(path, {}, columns=named)
    assert (item.product.id, item.product.price, item.picture) == ("mug", 4, "a.jpg")
    assert item.product.attributes == {"other_id": 77}
    for wrong, said in (({"id": "Hadle"}, "did you mean 'Handle'"), ({"sku": "Handle"}, "supported: id, title")):
        with pytest.raises(BadInput, match=said):
            open_source(path, {}, columns=wrong)


def test_a_table_without_an_id_names_its_columns_and_the_way_out(tmp_path):
    path = table(tmp_path, "Artikelnummer;Bild\n1;a.jpg\n")
    with pytest.raises(BadInput, match=r"Artikelnummer, Bild.*--column id=NAME"):
        open_source(path, {})


def test_folders_may_be_categories_of_single_pictures(tmp_path):
    (tmp_path / "shoes" / "boots").mkdir(parents=True)
    save(1, tmp_path / "shoes" / "boots" / "red.png")
    save(2, tmp_path / "mug.png")
    mug, red = open_source(tmp_path, {}, folders="category")
    assert (mug.product.id, mug.product.category) == ("mug", "")
    assert (red.product.id, red.product.title, red.product.category) == ("shoes/boots/red", "red", "shoes / boots")


def test_a_folder_of_many_pictures_is_said_to_be_one_product(tmp_path):
    (tmp_path / "shirts").mkdir()
    for number in range(30):
        (tmp_path / "shirts" / f"{number}.png").write_bytes(b"x")
    (note,) = open_source(tmp_path, {}).notes
    assert "shirts has 30 pictures" in note and "--folders category --sync" in note
    assert open_source(tmp_path, {}, folders="category").notes == ()
    assert open_source(tmp_path / "shirts", {}).notes == ()


class Pictures(BaseHTTPRequestHandler):
    """One picture; everything else is not there."""

    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.path)
        self.send_response(200 if self.path == "/mug.png" else 404)
        self.end_headers()
        self.wfile.write(written(scene(), "PNG") if self.path == "/mug.png" else b"")

    def log_message(self, *_):
        """Quiet."""


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_addresses_are_fetched_once_where_that_is_allowed(tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), Pictures) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        path = table(tmp_path, f"id,picture\nmug,{url}/mug.png\ncup,{url}/cup.png\n")
        allowed = FetchPolicy(None, (ip_network("127.0.0.0/8"),), ports=frozenset({server.server_port}))
        with snapfind.open(tmp_path / "shop.snap") as shop:
            report = shop.add(open_source(path, {}, fetching=allowed))
            assert (report.added, [failure.code for failure in report.failures]) == (1, ["picture_url"])
            assert shop.search(written(scene(), "PNG"))[0].product.id == "mug"
            assert shop.add(open_source(path, {}, fetching=allowed)).unchanged == 1
            assert [failure.code for failure in shop.add(path).failures] == ["picture_url", "picture_url"]
        server.shutdown()
        thread.join()
    assert Pictures.asked.count("/mug.png") == 1


def test_a_table_made_on_windows_finds_its_pictures(tmp_path):
    (tmp_path / "images").mkdir()
    save(1, tmp_path / "images" / "a.png")
    (item,) = entries(table(tmp_path, "id,picture\n1,images\\a.png\n"))
    assert item.path == (tmp_path / "images" / "a.png").resolve()
    (failure,) = entries(table(tmp_path, "id,picture\n1,..\\..\\secret.png\n"))
    assert failure.code == "picture_outside" or failure.code == "picture_missing"


def test_further_rows_of_a_product_need_not_say_again_what_it_is(tmp_path):
    path = table(
        tmp_path,
        "Handle,Title,Vendor,Variant Price,Color,Image Src\n"
        "mug,Red mug,Kiln,12.50,red,a.jpg\nmug,,,13,,\nmug,,,,,b.jpg\n"
        "cup,Cup,,,,c.jpg\ncup,Blue cup,,,blue,d.jpg\nhat,Hat,,1,,\n",
    )
    named = {"id": "Handle", "price": "Variant Price", "brand": "Vendor", "picture": "Image Src"}
    *items, failure = open_source(path, {}, columns=named)
    assert [item.picture for item in items] == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    second, last = items[1].product, items[3].product
    assert (second.title, second.price, second.brand, second.attributes) == ("Red mug", 12.5, "Kiln", {"Color": "red"})
    assert (last.title, last.brand, last.attributes) == ("Blue cup", "", {"Color": "blue"})
    assert (failure.id, failure.code) == ("hat", "picture_missing")


def test_addresses_of_one_cell_may_be_parted_by_commas(tmp_path):
    path = table(tmp_path, 'id,images\n1,"https://a.example/x.jpg, https://a.example/y,z.jpg"\n2,"a, b.jpg"\n')
    found = [item.picture for item in open_source(path, {}, fetching=FetchPolicy(None))]
    assert found == ["https://a.example/x.jpg", "https://a.example/y,z.jpg", "a, b.jpg"]
