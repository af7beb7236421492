"""Text is read in pictures without network, within limits, and a missing package is named."""

import importlib.util
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image, ImageDraw, ImageFont
from tests.pictures import carton

from snapfind.core.config import Settings
from snapfind.core.errors import BadSetting, ExtraMissing
from snapfind.core.types import Box
from snapfind.encoders.ocr import reader
from snapfind.encoders.ocr.reader import TextLine, TextReader, can_read, join_lines, open_reader

installed = pytest.mark.skipif(not can_read(), reason="rapidocr is not installed: pip install '.[ocr]'")


@pytest.fixture
def missing(monkeypatch):
    """A Python without the package."""
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "rapidocr" else found(name))
    for cached in (reader.can_read, reader._shared_reader):
        cached.cache_clear()
    yield
    monkeypatch.undo()
    reader.can_read.cache_clear()


@installed
def test_printed_text_is_read_with_its_place():
    lines = TextReader(1).read(carton("CHAMOMILE", top=0.7))
    assert [line.text for line in lines] == ["CHAMOMILE"]
    assert lines[0].confidence > 0.9 and lines[0].box.y0 > 0.6 and lines[0].box.x0 < 0.5 < lines[0].box.x1


@installed
def test_a_picture_without_text_has_no_lines():
    assert TextReader(1).read(Image.new("RGB", (200, 100), "white")) == []


@installed
@pytest.mark.parametrize(("name", "text"), [("A", []), ("42", []), ("TEA", ["TEA"])])
def test_a_picture_with_a_single_sign_has_no_text(name, text):
    assert [line.text for line in TextReader(1).read(carton(name))] == text


@installed
@pytest.mark.parametrize("size", [(4000, 20), (1, 1), (3, 900)])
def test_extreme_shapes_are_read_without_an_error(size):
    assert TextReader(1).read(Image.new("RGB", size, "white")) == []


@installed
def test_a_page_full_of_text_is_read_in_part():
    page = Image.new("RGB", (1200, 1200), "white")
    draw = ImageDraw.Draw(page)
    for number in range(120):
        place = (40 + 290 * (number % 4), 20 + 39 * (number // 4))
        draw.text(place, f"WORD {number}", fill="black", font=ImageFont.load_default(26))
    lines = TextReader(1).read(page)
    assert 40 < len(lines) <= 64 and len(join_lines(lines)) <= 1000


@installed
def test_threads_share_one_reader():
    shared = TextReader(1)
    names = ["CHAMOMILE", "LINGONBERRY", "PEPPERMINT", "ROOIBOS"]
    with ThreadPoolExecutor(4) as pool:
        lines = list(pool.map(lambda name: shared.read(carton(name)), names))
    assert [own[0].text for own in lines] == names


def test_joined_lines_are_bounded():
    lines = [TextLine("x" * 400, 1.0, Box(0, 0, 1, 1))] * 9
    assert len(join_lines(lines)) == 1000 and join_lines([]) == ""


def test_the_missing_package_is_named_with_its_remedy(missing):
    with pytest.raises(ExtraMissing, match=r"rapidocr.*pip install '\.\[ocr\]'"):
        open_reader(Settings({"ocr": "on"}), "add")
    assert open_reader(Settings({"ocr": "auto"}), "add") is None
    assert open_reader(Settings({"ocr": "off"}), "add") is None


@installed
def test_the_setting_tells_what_is_read():
    uses = {
        mode: [open_reader(Settings({"ocr": mode}), use) is not None for use in ("add", "search")]
        for mode in ("auto", "on", "add", "off")
    }
    assert uses == {"auto": [True, True], "on": [True, True], "add": [True, False], "off": [False, False]}


def test_an_unknown_value_of_the_setting_is_refused():
    with pytest.raises(BadSetting, match=r"'yes'\. Supported: auto, on, add, off"):
        open_reader(Settings({"ocr": "yes"}), "search")
