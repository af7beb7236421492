"""The documentation site builds without a warning and holds every public name of the package."""

import ast
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

pytest.importorskip("mkdocstrings", reason="the group docs is not installed: pip install --group docs")

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "snapfind"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(target)]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def public_names():
    for path in sorted(SOURCE.rglob("*.py")):
        module = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
        if path.name == "__init__.py" or (path.parent == SOURCE and path.name.startswith("_")):
            continue
        tree = ast.parse(path.read_text("utf-8"))
        documented = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        for node in tree.body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                yield from (f"{module}.{name}" for name in ast.literal_eval(node.value) if name in documented)


def test_every_public_class_and_function_has_its_place(site):
    content = (site / "objects.inv").read_bytes()
    listed = zlib.decompress(content[content.index(b"zlib.\n") + 6 :]).decode()
    known = {line.split(" ")[0] for line in listed.splitlines()}
    names = list(public_names())
    assert len(names) > 500 and [name for name in names if name not in known] == []


def test_the_site_loads_nothing_from_other_hosts(site):
    for page in ("index.html", "quickstart/index.html", "reference/api/search/index.html"):
        text = (site / page).read_text("utf-8")
        assert 'src="http' not in text and 'rel="stylesheet" href="http' not in text and "fonts.g" not in text


def test_pages_of_benchmarks_and_of_the_root_are_part_of_it(site):
    for page in ("benchmarks/RESULTS", "benchmarks/results/learn", "CHANGELOG", "SECURITY", "contributing/extending"):
        assert (site / page / "index.html").is_file(), page
