"""The command line starts fast: a command loads what it needs and nothing else."""

import inspect
import subprocess
import sys

import pytest

from snapfind.cli.app import COMMANDS
from tests.catalog.conftest import Shop

HEAVY = {"numpy", "onnxruntime", "sqlalchemy", "httpx", "duckdb", "fastapi", "PIL", "lark", "qdrant_edge", "torch"}
LIST = "import sys, snapfind.cli as c\ntry: c.main()\nexcept SystemExit: pass\nprint('LOADED', *sys.modules)"


def loaded(*words, cwd=None):
    code = f"import sys; sys.argv = {['snapfind', *map(str, words)]!r}\n{LIST}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=cwd)
    return HEAVY & set(done.stdout.rpartition("LOADED")[2].split())


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["serach"], []])
def test_what_answers_by_itself_loads_no_package_of_the_search(words):
    assert loaded(*words) == set()


def test_a_search_loads_no_database_and_no_web(tmp_path):
    shop = Shop(tmp_path)
    with shop.open() as catalog:
        catalog.add(shop.table)
    assert loaded("search", shop.path, shop.folder / "a.png") == {"numpy", "onnxruntime", "PIL", "qdrant_edge"}


def test_the_list_of_commands_says_what_each_command_says_of_itself(run):
    listed = " ".join(run("--help")[1].split())
    for name, entry in COMMANDS.items():
        assert f"{name} {entry.help}" in listed
        command = entry.load(name)
        assert command.name == name and inspect.cleandoc(command.help or "")
        assert run(name, "--help")[0] == 0


@pytest.mark.parametrize(("word", "meant"), [("serach", "search"), ("exprot", "export"), ("zzz", "add, search")])
def test_a_misspelled_command_is_answered_with_its_name(run, word, meant):
    code, _, err = run(word)
    assert code == 2 and meant in err
