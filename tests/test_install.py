"""Every command in the documents, help and errors that installs snapfind works from a checkout: it is not on PyPI."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import snapfind
from snapfind.core.errors import ExtraMissing

ROOT = Path(__file__).parent.parent
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
PLACES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "benchmarks").rglob("*.md"),
    *(ROOT / "benchmarks").glob("*.py"),
    *(ROOT / "src").rglob("*.py"),
    *(ROOT / "src").rglob("*.js"),
    *(ROOT / "deploy").iterdir(),
    *(ROOT / "scripts").iterdir(),
]
INSTALL = re.compile(r"pip install ([^`\n#)]*)")
OWN = re.compile(r"^(\.|dist/snapfind-[\w.*-]+\.whl)(?:\[([\w,]+)\])?$")


def words_of(command):
    """The words of an install command in running text; a quote that the text around it opened is none of its own."""
    if command.count("'") % 2 or command.count('"') % 2:
        command = command.rpartition("'" if command.count("'") % 2 else '"')[0]
    return [word.rstrip(".,;") if len(word) > 1 else word for word in shlex.split(command)]


FOUND = sorted(
    {(str(place.relative_to(ROOT)), text) for place in PLACES for text in INSTALL.findall(place.read_text())}
)
OWN_TARGETS = sorted({word for _, text in FOUND for word in words_of(text) if OWN.match(word) and word[0] == "."})


def test_there_are_commands_to_look_at():
    assert len(FOUND) > 15 and "." in OWN_TARGETS and ".[train]" in OWN_TARGETS


@pytest.mark.parametrize(("place", "command"), FOUND, ids=lambda value: value[:40])
def test_an_install_command_names_the_checkout_and_extras_that_exist(place, command):
    assert "{extra}" in command or "snapfind[" not in command, f"{place}: snapfind is not on PyPI"
    for word in words_of(command):
        assert word != "snapfind", f"{place}: snapfind is not on PyPI"
        if own := OWN.match(word):
            assert set((own[2] or "").split(",")) - {""} <= set(EXTRAS), f"{place}: {word}"


@pytest.mark.parametrize("target", OWN_TARGETS)
def test_pip_takes_the_target(target):
    pytest.importorskip("hatchling", reason="the build backend is not installed")
    command = ["install", "--quiet", "--dry-run", "--no-deps", "--no-index", "--no-build-isolation", target]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "does not provide the extra" not in done.stderr


def test_the_page_lists_every_extra():
    page = (ROOT / "docs" / "how-to" / "install.md").read_text()
    assert {extra for extra in EXTRAS if f"`{extra}`" not in page} == set()


def test_a_missing_extra_is_named_with_the_command_that_installs_it():
    error = ExtraMissing.of("training needs torch", "train")
    assert error.message == "training needs torch; in the checkout of snapfind run: pip install '.[train]'"
    assert isinstance(error, snapfind.core.errors.SnapfindError)
