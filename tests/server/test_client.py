"""The client and commands on a URL: over real HTTP on this machine, the same answers as in the folder."""

import json
import socket
import sys
import threading
from contextlib import contextmanager

import pytest
import uvicorn

import snapfind
from snapfind.core.errors import BadFilter, BadPicture, KeyMissing, NotFound, NotReady
from snapfind.core.query import QueryTerm
from snapfind.core.types import Box, Product
from snapfind.server import build
from snapfind.server.keys import KeyStore
from tests.catalog.conftest import Shop
from tests.pictures import picture
from tests.server.conftest import photo
from tests.waiting import until

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@contextmanager
def listening(app):
    """A real server on a free port of this machine."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        opened.listen(64)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
        thread.start()
        try:
            until(lambda: server.started or not thread.is_alive(), "the server has started")
            yield f"http://127.0.0.1:{opened.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    shop = Shop(tmp_path_factory.mktemp("shop"))
    catalog = shop.open()
    catalog.add(shop.table)
    with listening(build(catalog)) as url:
        yield url, shop, catalog


@pytest.fixture
def server(place):
    with snapfind.Client(place[0]) as client:
        yield client


def test_the_client_answers_as_the_library(place, server):
    _, shop, catalog = place
    for wanted in (shop.folder / "c.png", photo(1), picture(2), "green tea", QueryTerm(product="tea-1")):
        here, there = catalog.search(wanted, limit=2), server.search(wanted, limit=2)
        assert [hit.product.id for hit in there] == [hit.product.id for hit in here]
        assert [hit.verdict for hit in there] == [hit.verdict for hit in here]
        assert there.box == here.box and len(there.regions) == len(here.regions)
    assert [hit.product.id for hit in server.search("tea", offset=1)] == [
        hit.product.id for hit in catalog.search("tea", offset=1)
    ]
    assert server.compare(photo(1), photo(1)) == pytest.approx(catalog.compare(photo(1), photo(1)), abs=1e-3)
    assert server.facets("category") == catalog.facets("category")
    assert server.get("tea-2").pictures[0].name == catalog.get("tea-2").pictures[0].name
    assert {product.id for product in server.products(filter="price < 6")} == {"tea-1", "tea-2"}
    assert server.picture("mug-1", "c.png") == catalog.picture("mug-1", "c.png")
    assert len(server) == len(catalog) and server.schema == catalog.schema


def test_writes_and_events(place, server):
    report = server.put([(Product("cup", "Cup", 2.0, attributes={"tags": "new"}), {"a": photo(60)})])
    assert report.added == 1
    answer = server.search(photo(60), session="anna")
    assert answer[0].product.id == "cup" and answer.id and answer.space
    click = snapfind.Event("click", search=answer.id, session="anna", product="cup", position=1, id="once")
    change = snapfind.Event("box_change", search=answer.id, box=Box(0, 0, 1, 1), before=Box(0, 0, 0.5, 0.5))
    assert server.record([click, change]) == 2 and server.record([click]) == 0
    assert server.update("cup", {"price": 1.5, "tags": None}).price == 1.5
    assert server.delete(["cup", "nobody"]) == 1
    assert [row["id"] for row in server.export(filter="category = 'mugs'")] == ["mug-1"]


def test_add_sends_a_table_and_again_changes_nothing(place, server, tmp_path):
    other = Shop(tmp_path)
    other.rows += [["gone-1", "Gone", "1", "", "", "1", "", "gone.png"]]
    other.write()
    report = server.add(other.table)
    assert report.stored == 4 and [failure.code for failure in report.failures] == ["picture_missing"]
    assert server.add(other.table).unchanged == 4


def test_errors_are_those_of_the_library(server):
    with pytest.raises(NotFound):
        server.get("nobody")
    with pytest.raises(BadFilter):
        server.search("tea", filter="price <")
    with pytest.raises(BadPicture) as refused:
        server.search(b"not a picture")
    assert refused.value.code == "picture_format"
    with snapfind.Client("http://127.0.0.1:1", retries=0) as nobody, pytest.raises(NotReady, match="snapfind serve"):
        nobody.info()


def test_a_key_is_sent(shop):
    catalog = shop.open()
    catalog.add(shop.table)
    whole = KeyStore(shop.path).create("x", ["search"])[1]
    with listening(build(catalog, needs_key=True)) as url:
        with snapfind.Client(url) as client, pytest.raises(KeyMissing):
            client.info()
        with snapfind.Client(url, whole) as client:
            assert client.info()["products"] == 3


def run(monkeypatch, capsys, *words):
    from snapfind.cli import main

    monkeypatch.setattr(sys, "argv", ["snapfind", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return ended.value.code or 0, said.out, said.err


def test_verbs_over_a_server(place, monkeypatch, capsys, tmp_path):
    url, shop, _ = place
    monkeypatch.chdir(shop.folder)
    code, out, _ = run(monkeypatch, capsys, "search", url, "c.png", "--json")
    assert code == 0 and json.loads(out)["hits"][0]["id"] == "mug-1"
    code, out, _ = run(monkeypatch, capsys, "search", url, "green tea", "-n", "1", "--sheet", tmp_path / "x.html")
    assert code == 0 and "Green tea" in out and (tmp_path / "x.html").stat().st_size > 1000
    assert json.loads(run(monkeypatch, capsys, "info", url, "--json")[1])["products"] >= 3
    assert "unchanged" in run(monkeypatch, capsys, "add", url, "products.csv")[1]
    assert run(monkeypatch, capsys, "export", url, tmp_path / "x.jsonl")[0] == 0
    assert len((tmp_path / "x.jsonl").read_text().splitlines()) >= 4
    assert run(monkeypatch, capsys, "delete", url, "nobody")[0] == 2
    code, _, err = run(monkeypatch, capsys, "doctor", url)
    assert code == 2 and "folder" in err
    for retired in (["--server", url], [f"--server={url}"]):
        code, _, err = run(monkeypatch, capsys, "search", *retired, "c.png")
        assert code == 2 and "snapfind search http" in err
    assert run(monkeypatch, capsys, "model", "list", url)[0] == 0


def test_keys_on_the_command_line(shop, monkeypatch, capsys):
    shop.open().close()
    code, out, err = run(monkeypatch, capsys, "key", "create", shop.path, "--scope", "write", "--name", "till")
    assert code == 0 and out.startswith("sf_") and "not shown again" in err
    (listed,) = json.loads(run(monkeypatch, capsys, "key", "list", shop.path, "--json")[1])
    assert listed["name"] == "till" and listed["scopes"] == ["write"]
    assert run(monkeypatch, capsys, "key", "revoke", shop.path, listed["id"])[0] == 0
    assert "No keys" in run(monkeypatch, capsys, "key", "list", shop.path)[1]
    assert run(monkeypatch, capsys, "key", "create", shop.path, "--scope", "root")[0] == 2
    assert run(monkeypatch, capsys, "key", "list", shop.folder / "none")[0] == 2


def test_the_first_key_says_that_it_closes_the_server_and_the_last_that_it_opens(shop, monkeypatch, capsys):
    shop.open().close()
    first = run(monkeypatch, capsys, "key", "create", shop.path)[2]
    assert "first key" in first and "SNAPFIND_KEY" in first and "--scope admin" in first
    second = run(monkeypatch, capsys, "key", "create", shop.path, "--scope", "admin")[2]
    assert "first key" not in second
    known = [one["id"] for one in json.loads(run(monkeypatch, capsys, "key", "list", shop.path, "--json")[1])]
    assert "No keys are left" not in run(monkeypatch, capsys, "key", "revoke", shop.path, known[0])[2]
    assert "No keys are left" in run(monkeypatch, capsys, "key", "revoke", shop.path, known[1])[2]
    code, _, err = run(monkeypatch, capsys, "key", "create", shop.path, "--scope", "admin")
    assert code == 0 and "first key" in err and "--scope admin" not in err


def test_another_address_needs_a_key(shop, monkeypatch, capsys):
    shop.open().close()
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        code, _, err = run(monkeypatch, capsys, "serve", shop.path, "--host", host, "--port", "0")
        assert code == 2 and "key create" in err
