"""Long work says how far it is, also where stderr is a file or a pipe; and `eval` takes a table with categories."""

import csv

import pytest

from snapfind.cli import output
from tests.pictures import save


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        save(number, tmp_path / "pics" / f"p{number}.png")
    with (tmp_path / "products.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ["id", "title", "category", "picture"],
                *([f"p{n}", f"thing {n}", f"c{n}", f"pics/p{n}.png"] for n in range(3)),
            ]
        )
    with (tmp_path / "queries.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["picture", "category"], *([f"pics/p{n}.png", f"c{n}"] for n in range(3))])
    return tmp_path


def test_each_long_verb_tells_its_progress_in_a_log(folder, run, monkeypatch):
    monkeypatch.setattr(output, "_SECONDS", 0.0)
    shop = folder / "shop.snap"
    for label, words in {
        "adding": ("add", shop, folder / "products.csv"),
        "searching": ("eval", shop, folder / "queries.csv"),
        "packing": ("snapshot", shop, folder / "shop.tar"),
        "restoring": ("restore", folder / "shop.tar", folder / "back.snap"),
        "checking, MB": ("restore", folder / "shop.tar", "--verify"),
        "checking": ("curate", shop),
        "fitting": ("model", "fit", shop),
    }.items():
        _, said, told = run(*words)
        assert [line for line in told.splitlines() if line.startswith(label) and "/s" in line], (words, said, told)


def test_short_work_says_nothing(folder, run):
    code, _, told = run("add", folder / "shop.snap", folder / "products.csv")
    assert code == 0 and "adding:" not in told


def test_eval_takes_categories_instead_of_products(folder, run):
    run("add", folder / "shop.snap", folder / "products.csv")
    code, said, told = run("eval", folder / "shop.snap", folder / "queries.csv", "--worst", folder / "worst.html")
    assert code == 0, told
    assert "3 queries" in said and "1.000" in said
