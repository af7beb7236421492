"""The command line as a user types it: output, exit codes, one sentence for what is wrong."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.catalog.conftest import Shop
from tests.pictures import save


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Shop(tmp_path)


@pytest.fixture
def added(shop, run):
    assert run("add", "shop.snap", "products.csv")[0] == 0
    return shop


def test_a_reranker_is_switched_on_and_off(added, run):
    def parts():
        return json.loads(run("search", "shop.snap", "a.png", "--json")[1])["hits"][0]["parts"]

    assert "rerank" not in parts()
    assert run("lab", "rerank", "shop.snap", "geometry")[0] == 0
    assert parts()["rerank"] > 0.5
    code, _, err = run("lab", "rerank", "shop.snap", "guess")
    assert code == 2 and "geometry" in err
    assert run("lab", "rerank", "shop.snap", "none")[0] == 0
    assert "rerank" not in parts()


def test_add_says_what_it_did_and_again_does_nothing(shop, run):
    code, out, _ = run("add", "shop.snap", "products.csv")
    assert code == 0 and "4 new" in out and "model fit" in out
    code, out, _ = run("add", "shop.snap", "products.csv")
    assert code == 0 and "4 unchanged" in out and "new" not in out


def test_add_lists_failures_and_ends_with_one_or_two(shop, run):
    (shop.folder / "a.png").write_bytes(b"")
    code, out, err = run("add", "shop.snap", "products.csv", "--errors", "errors.csv")
    assert code == 1 and "1 failed" in out and "errors.csv" in err
    with (shop.folder / "errors.csv").open(newline="") as file:
        header, row = csv.reader(file)
    assert header == ["id", "code", "path", "reason"]
    assert row[:3] == ["tea-1", "picture_empty", "a.png"] and row[3]
    for name in ("b.png", "b-back.png", "c.png"):
        (shop.folder / name).unlink()
    code, _, err = run("add", "other.snap", "products.csv")
    assert code == 2 and "picture_missing" in err


def test_add_dry_run_leaves_no_folder(shop, run):
    code, out, _ = run("add", "shop.snap", "products.csv", "--dry-run", "--json")
    assert code == 0 and json.loads(out)["added"] == 4
    assert not (shop.folder / "shop.snap").exists()
    assert run("add", "shop.snap", "products.csv")[1].startswith("4 new")


def test_a_dry_run_by_a_cluster_is_refused_and_writes_nothing(shop, run, tmp_path):
    code, _, err = run("add", "shop.snap", "products.csv", "--dry-run", "--ray", "local")
    assert code == 2 and "--dry-run" in err and not (tmp_path / "shop.snap").exists()


def test_search_by_photo_text_and_product(added, run):
    code, out, _ = run("search", "shop.snap", "c.png")
    assert code == 0 and "Blue mug" in out.splitlines()[1]
    assert "Green tea" in run("search", "shop.snap", "green tea", "-n", "1")[1]
    assert "tea-1" not in run("search", "shop.snap", "--product", "tea-1")[1]
    assert "mug-1" not in run("search", "shop.snap", "tea", "--filter", "category = 'tea'")[1]
    assert run("search", "shop.snap", "0.5:c.png", "2:red tea", "--less", "green")[0] == 0


def test_search_json_has_the_documented_shape(added, run):
    code, out, _ = run("search", "shop.snap", "a.png", "--json", "--box", "0,0,1,1")
    found = json.loads(out)
    assert code == 0 and set(found) == {"verdict", "hits", "box", "regions", "categories", "groups", "timings"}
    assert found["box"] == [0, 0, 1, 1]
    hit = found["hits"][0]
    assert set(hit) == {
        "id", "title", "price", "brand", "category", "description", "attributes", "picture", "box", "score", "verdict",
        "parts",
    }  # fmt: skip
    assert hit["id"] == "tea-1" and hit["attributes"] == {"stock": 3, "tags": "hot"}
    assert hit["picture"] == {"name": "a.png", "width": 96, "height": 96}


def test_search_writes_a_sheet(added, run):
    assert run("search", "shop.snap", "a.png", "--sheet", "out.html")[0] == 0
    text = (added.folder / "out.html").read_text()
    assert "Red tea" in text and text.count("data:image/jpeg") >= 4 and "http" not in text.replace("http-equiv", "")


def test_explain_shows_signals_and_heat_maps(added, run):
    code, out, _ = run("search", "shop.snap", "a.png", "--explain", "--sheet", "why.html", "-n", "2")
    assert code == 0 and "image" in out and "a.png" in out and "tea " in out
    assert (added.folder / "why.html").read_text().count("data:image/jpeg") == 3
    code, _, err = run("search", "shop.snap", "tea", "--explain", "--sheet", "why.html")
    assert code == 2 and "one photo" in err


def test_regions_category_and_marks_on_the_command_line(added, run):
    found = json.loads(run("search", "shop.snap", "a.png", "--regions", "whole", "--category", "mugs", "--json")[1])
    assert found["box"] is None and found["hits"][0]["id"] == "mug-1"
    assert {guess["category"] for guess in found["categories"]} == {"tea", "mugs"}
    found = json.loads(run("search", "shop.snap", "a.png", "--wrong", "tea-1", "--right", "c.png", "--json")[1])
    plain = json.loads(run("search", "shop.snap", "a.png", "--json")[1])
    gain = {hit["id"]: hit["parts"]["image"] for hit in found["hits"]}
    assert max(gain, key=lambda one: gain[one] - {h["id"]: h["parts"]["image"] for h in plain["hits"]}[one]) == "mug-1"
    assert "'auto', 'whole', 'subject', 'all'" in run("search", "shop.snap", "a.png", "--regions", "some")[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["search", "none.snap", "tea"], "not a catalog"),
        (["search", "shop.snap", "missing.jpg"], "no picture missing.jpg"),
        (["search", "shop.snap", "tea", "--filter", "pric < 3"], "did you mean 'price'"),
        (["search", "shop.snap"], "the query is empty"),
        (["search", "shop.snap", "a.png", "--box", "1,2,3"], "four fractions"),
        (["add", "shop.snap", "missing.csv"], "neither a file nor a folder"),
        (["add", "shop.snap", "a.png"], "give a folder"),
        (["export", "shop.snap", "out.xlsx"], ".csv, .jsonl, .parquet"),
        (["delete", "shop.snap"], "either product ids or a filter"),
        (["info", "localhost:8000"], "http://localhost:8000"),
        (["add", "localhost:8000", "products.csv"], "http://localhost:8000"),
        (["model", "switch", "shop.snap", "nothing"], "no model"),
        (["restore", "missing.tar", "x.snap"], "no snapshot"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_exit_code_two(added, run, words, said):
    code, out, err = run(*words)
    assert code == 2 and out == ""
    assert said in err and err.startswith("error: ") and len(err.strip().splitlines()) == 1
    assert "Traceback" not in err


def test_delete_export_info_and_doctor(added, run):
    assert "4 rows" in run("export", "shop.snap", "out.parquet")[1]
    assert "2 rows" in run("export", "shop.snap", "tea.jsonl", "--filter", "id = 'tea-2'", "--pictures", "tea")[1]
    assert len(list((added.folder / "tea").iterdir())) == 2
    assert run("delete", "shop.snap", "tea-2")[1].startswith("2 pictures")
    assert run("delete", "shop.snap", "tea-2")[0] == 2
    assert run("delete", "shop.snap", "--filter", "price > 10", "--yes")[0] == 0
    assert "1 products, 1 pictures" in run("info", "shop.snap")[1]
    assert json.loads(run("info", "shop.snap", "--json")[1])["products"] == 1
    code, out, _ = run("doctor", "shop.snap")
    assert code == 0 and "broken" not in out


def test_snapshot_and_restore(added, run):
    assert run("snapshot", "shop.snap", "shop.tar")[0] == 0
    assert "match their checksums" in run("restore", "shop.tar", "--verify")[1]
    assert run("restore", "shop.tar", "back.snap")[0] == 0
    assert "Red tea" in run("search", "back.snap", "a.png")[1]


def test_models_are_listed_fitted_and_rolled_back(added, run):
    assert "active" in run("model", "list", "shop.snap")[1]
    assert "is active" in run("model", "fit", "shop.snap")[1]
    listed = json.loads(run("model", "list", "shop.snap", "--json")[1])
    assert len(listed["models"]) == 2 and listed["previous"]
    assert run("model", "rollback", "shop.snap")[0] == 0
    assert "model fit" not in run("add", "shop.snap", "products.csv")[1]


def test_a_model_is_fitted_to_photos_of_a_folder_or_a_table(added, run, tmp_path):
    for number in range(3):
        save(number, tmp_path / "photos" / "of a day" / f"{number}.png")
    (tmp_path / "photos" / "cut.jpg").write_bytes(b"no picture")
    code, out, err = run("model", "fit", "shop.snap", "--photos", str(tmp_path / "photos"))
    assert code == 0 and "is active" in out
    assert "cut.jpg" in err and "1 photo(s) could not be read" in err
    (tmp_path / "empty").mkdir()
    code, _, err = run("model", "fit", "shop.snap", "--photos", str(tmp_path / "empty"))
    assert code == 2 and "No pictures in" in err
    table = tmp_path / "photos" / "table.csv"
    table.write_text("picture,product\nof a day/0.png,tea-1\nof a day/1.png,gone\n")
    code, out, err = run("model", "fit", "shop.snap", "--photos", str(table))
    assert code == 0 and "is active" in out and "'gone'" in err
    code, _, err = run("model", "fit", "shop.snap", "--photos", str(tmp_path / "none"))
    assert code == 2 and "No such folder or table" in err
    code, _, err = run("model", "fit", "shop.snap", "--stored-photos")
    assert code == 2 and "keep_photos" in err


def test_a_catalog_in_use_names_the_process(added, run):
    with added.open():
        code, _, err = run("search", "shop.snap", "tea")
    assert code == 2 and f"process {os.getpid()}" in err


def test_ctrl_c_keeps_what_was_stored_and_says_so(tmp_path):
    for number in range(300):
        save(number, tmp_path / "pictures" / f"p{number}.png")
    code = (
        "import signal, sys, _thread, snapfind.cli, snapfind.catalog.ingest.ingest as a\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell may start tests with Ctrl-C ignored
        "write = a.Ingestion._write\n"
        "def once(self, *args):\n    write(self, *args)\n    _thread.interrupt_main()\n"
        "a.Ingestion._write = once\n"
        f"sys.argv = ['snapfind', 'add', {str(tmp_path / 's.snap')!r}, {str(tmp_path / 'pictures')!r}]\n"
        "snapfind.cli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 1 and "Run the command again to resume" in done.stderr and "Traceback" not in done.stderr
    import snapfind

    with snapfind.open(tmp_path / "s.snap") as catalog:
        report = catalog.add(tmp_path / "pictures")
    assert report.unchanged >= 16 and report.unchanged + report.added == 300


def test_every_verb_has_help(run):
    code, out, _ = run("--help")
    assert code == 0
    for verb in ("add", "search", "eval", "export", "delete", "info", "doctor", "snapshot", "restore", "model"):
        assert verb in out
    assert run("--version")[1].startswith("snapfind ")


def test_what_the_disk_refuses_is_one_sentence(added, run):
    (added.folder / "queries.csv").write_text("picture,product\na.png,tea-1\n")
    for words in (
        ("search", "shop.snap", "a.png", "--sheet", "nowhere/sheet.html"),
        ("add", "shop.snap", "products.csv", "--errors", "nowhere/errors.csv"),
        ("add", "a.png/new.snap", "products.csv"),
        ("eval", "shop.snap", "queries.csv", "--json", "x" * 300),
    ):
        code, _, err = run(*words)
        assert (
            code == 2
            and err.startswith("error: ")
            and ("Create" in err or "Use a" in err or "Use the" in err)
            and err.count("\n") == 1
        )


def test_a_table_with_its_own_names_is_added(shop, run):
    (shop.folder / "export.csv").write_text("Handle,Image Src\nmug,c.png\n")
    code, _, err = run("add", "new.snap", "export.csv")
    assert code == 2 and "--column id=NAME" in err and not (shop.folder / "new.snap").exists()
    named = ("--column", "id=Handle", "--column", "picture=Image Src")
    assert run("add", "new.snap", "export.csv", *named)[0] == 0
    assert run("add", "new.snap", "export.csv", "--column", "Handle")[0] == 2


def test_a_hit_is_a_line_whatever_its_title(shop, run):
    shop.rows[1][1:3] = ["Red tea " * 30, "1250000"]
    shop.rows[2][2] = "12.5"
    shop.write()
    run("add", "shop.snap", "products.csv")
    out = run("search", "shop.snap", "a.png")[1]
    assert len(out.splitlines()) == 4
    assert "1,250,000 " in out and "12.50 " in out and "Red tea " * 29 in out


def test_the_words_of_a_shell_are_completed():
    asked = {"_SNAPFIND_COMPLETE": "complete_bash", "COMP_WORDS": "snapfind mo", "COMP_CWORD": "1"}
    started = "import sys; sys.argv[0] = 'snapfind'; from snapfind.cli import main; main()"
    told = subprocess.check_output([sys.executable, "-c", started], env={**os.environ, **asked}, text=True, timeout=60)
    assert told.split() == ["model"]


def test_nothing_to_apply_is_said(added, run):
    run("curate", "shop.snap")
    assert "No fix is applied" in run("curate", "undo", "shop.snap", "--all")[1]


def test_a_server_is_stopped_without_a_fault(added):
    started = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.argv[1:] = ['serve', 'shop.snap', '--port', '0']\nfrom snapfind.cli import main; main()"
    )
    serving = [sys.executable, "-c", started]
    with subprocess.Popen(serving, stderr=subprocess.PIPE, text=True) as server:
        assert "serves shop.snap at" in server.stderr.readline()
        time.sleep(1)
        server.send_signal(signal.SIGINT)
        assert "error" not in server.stderr.read()
    assert server.returncode == 0


def test_a_stream_that_takes_few_letters_is_no_fault(shop, run):
    shop.rows[1][1] = "红茶 é"
    shop.write()
    run("add", "shop.snap", "products.csv")
    narrow = {**os.environ, "PYTHONIOENCODING": "ascii"}
    searching = [sys.executable, "-m", "snapfind", "search", "shop.snap", "a.png"]
    assert "\\u7ea2" in subprocess.check_output(searching, env=narrow, text=True, timeout=60)
    told = subprocess.check_output([*searching, "--json"], env=narrow, text=True, timeout=60)
    assert json.loads(told)["hits"][0]["title"] == "红茶 é"


def test_a_product_and_the_values_of_a_field_can_be_looked_up(added, run):
    code, out, _ = run("show", "shop.snap", "tea-2")
    assert code == 0 and "Green tea" in out and "b-back.png" in out and "hot" in out
    shown = json.loads(run("show", "shop.snap", "tea-2", "--json")[1])
    assert shown["price"] == 5 and [one["name"] for one in shown["pictures"]] == ["b.png", "b-back.png"]
    code, out, _ = run("facets", "shop.snap", "category")
    assert code == 0 and [line.split() for line in out.splitlines()[1:]] == [["2", "tea"], ["1", "mugs"]]
    assert json.loads(run("facets", "shop.snap", "brand", "--filter", "stock > 5", "--json")[1]) == [
        {"value": "Kiln", "count": 1}
    ]
    code, _, err = run("show", "shop.snap", "none")
    assert code == 2 and "none" in err
    code, _, err = run("facets", "shop.snap", "color")
    assert code == 2 and "there are" in err
