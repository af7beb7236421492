"""The examples of docs/methods run as they are written, one after the other, in a folder with a small shop."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import snapfind

pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "methods"
NEEDS = {"turbo.md": "timm"}


def examples(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", [page.name for page in sorted(PAGES.glob("*.md")) if examples(page)])
def test_the_examples_of_a_page_run(page, tmp_path, monkeypatch):
    if page in NEEDS:
        pytest.importorskip(NEEDS[page], reason="token merging needs the extra snapfind[turbo]")
    monkeypatch.chdir(tmp_path)
    if page == "pretraining.md":
        subprocess.run([sys.executable, ROOT / "examples" / "draw_shop.py"], check=True)
        with snapfind.open("shop.snap") as catalog:
            catalog.add("products.csv")
    namespace = {"__name__": "page"}
    for code in examples(PAGES / page):
        assert len(code.strip().splitlines()) <= 20, "an example fits a screen"
        exec(compile(code, page, "exec"), namespace)
