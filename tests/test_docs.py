"""Documents cannot drift: the reference is what the code generates, links lead somewhere."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

import snapfind

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])


def reference():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["settings.md", "errors.md", "command-line.md", "http.md"])
def test_the_reference_is_what_the_code_says(name):
    module = reference()
    written = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert written.split() == module.PAGES[name]().split(), "run scripts/docs"  # however a framework wraps lines


def test_every_page_of_the_reference_is_generated():
    by_hand = {"json.md", "filters.md", "events.md"}
    assert {page.name for page in (ROOT / "docs" / "reference").glob("*.md")} == set(reference().PAGES) | by_hand


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_that_exist(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_source_files_that_are_named_exist(page):
    text, source = page.read_text(encoding="utf-8"), ROOT / "src" / "snapfind"
    packages = "|".join(sorted(path.name for path in source.iterdir() if path.is_dir()))
    for name in re.findall(r"(?<![\w/])(?:src/)?snapfind/([\w/]+\.(?:py|js))", text):
        assert (source / name).exists(), f"{page.name} names snapfind/{name}"
    for name in re.findall(rf"`((?:{packages})/[\w/]+\.py)`", text):
        assert (source / name).exists(), f"{page.name} names {name}"


def test_every_error_code_that_is_raised_is_documented():
    documented = "".join((ROOT / "docs" / "reference" / name).read_text() for name in ("errors.md", "json.md"))
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    for code in set(re.findall(r'code="(\w+)"', source)):
        assert code in documented or code.removeprefix("picture") in documented, code


def test_the_public_names_are_sorted_and_exist():
    assert snapfind.__all__ == sorted(snapfind.__all__)
    for name in snapfind.__all__:
        assert hasattr(snapfind, name), name


def test_the_tables_of_scale_are_what_their_command_prints(tmp_path):
    written = ROOT / "docs" / "concepts" / "scale.md"
    page = tmp_path / "scale.md"
    page.write_text(written.read_text())
    command = [sys.executable, ROOT / "benchmarks" / "scale_plan.py", "--into", page]
    subprocess.run(command, check=True)
    assert page.read_text() == written.read_text(), "run benchmarks/scale_plan.py --into docs/concepts/scale.md"
