"""The quickstart and the tutorials are run as they are written, and print what they say."""

import json
import re
from pathlib import Path

import pytest

from snapfind.search import signals
from tests.pages import ROOT, Page

PAGES = [ROOT / "docs" / "quickstart.md", *sorted((ROOT / "docs" / "tutorials").glob("*.md"))]


@pytest.mark.enable_socket  # loopback only: the server of the quickstart
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_block_runs_and_prints_what_the_page_says(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = list(signals.SIGNALS)
    try:
        assert {"python", "sh"} <= Page(path, monkeypatch).run()
    finally:
        signals.SIGNALS[:] = before


@pytest.mark.enable_socket  # loopback only
def test_the_reply_of_the_quickstart_is_a_part_of_the_true_reply(tmp_path, monkeypatch):
    from fastapi.testclient import TestClient

    import snapfind
    from snapfind.server import build
    from tests.server.conftest import BASE

    monkeypatch.chdir(tmp_path)
    Page(PAGES[0], monkeypatch)._shell("python examples/draw_shop.py")
    text = PAGES[0].read_text("utf-8")
    promised = json.loads(re.search(r"```json\n(.*?)```", text, re.DOTALL)[1])
    with snapfind.open("shop.snap") as catalog:
        catalog.add("products.csv")
        with TestClient(build(catalog), base_url=BASE) as client:
            reply = client.post("/v1/search", files={"photo": Path("photo.jpg").read_bytes()}, data={"limit": 1}).json()
    assert_part(promised, reply)


def assert_part(promised, reply):
    if isinstance(promised, dict):
        for name, value in promised.items():
            assert_part(value, reply[name])
    elif isinstance(promised, list):
        assert len(promised) == len(reply)
        for one, other in zip(promised, reply):
            assert_part(one, other)
    else:
        assert reply == (pytest.approx(promised, abs=2e-3) if isinstance(promised, float) else promised)
