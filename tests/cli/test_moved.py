"""Commands that were renamed answer with one sentence that names the new one."""

import pytest

from snapfind.cli.app import COMMANDS
from snapfind.cli.moved import MOVED


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_an_old_command_names_the_new_one(run, old, new):
    code, out, err = run(*old.split(), "shop.snap")
    assert code == 2 and not out
    assert err.strip() == f"error: `snapfind {old}` is now `snapfind {new}`."
    group = new.split()[0]
    assert group in COMMANDS and run(*new.split(), "--help")[0] == 0


@pytest.mark.parametrize("words", [["--server", "http://127.0.0.1:1"], ["--server=http://127.0.0.1:1"]])
def test_the_retired_option_names_the_argument(run, words):
    code, _, err = run("search", "photo.jpg", *words)
    assert code == 2 and "snapfind search http" in err and "Traceback" not in err


def test_a_search_term_after_two_dashes_is_no_option(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = run("search", "no.snap", "--", "--server")
    assert code != 0 and "retired" not in err


def test_a_command_on_a_folder_refuses_the_url_of_a_server(run):
    for words in (["doctor"], ["eval"], ["curate", "check"], ["key", "list"]):
        code, _, err = run(*words, "http://127.0.0.1:1", *(["x.csv"] if words == ["eval"] else []))
        assert code == 2 and "needs the folder of the catalog" in err
