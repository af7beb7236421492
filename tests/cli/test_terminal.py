"""Nothing that a supplier writes controls the terminal: titles, names and errors are shown, and nothing else."""

import json

import pytest

import snapfind
from snapfind.core.types import Product
from tests.catalog.test_cells import PICTURE

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\nerror: all is lost\r"
UNSAFE = set("\x1b\x07\x9b\r\u202e\u2066")


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(PICTURE)
    with snapfind.open("shop.snap") as opened:
        product = Product("a" + EVIL, "Mug " + EVIL, category=EVIL, attributes={"note": EVIL})
        opened.put([(product, {"a.png" + EVIL: PICTURE})])
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ("search", "shop.snap", "a.png"),
        ("search", "shop.snap", "a.png", "--explain"),
        ("search", "shop.snap", "a.png", "--json"),
        ("add", "shop.snap", "t.jsonl"),
        ("add", "shop.snap", "t.jsonl", "--json"),
        ("info", "shop.snap"),
        ("search", "shop.snap", "mug", "--filter", EVIL),
    ],
)
def test_no_control_character_reaches_the_terminal(shop, run, words):
    rows = [{"id": "b" + EVIL, "title": "x", "price": EVIL, "picture": EVIL + ".png"}]
    (shop / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    _, out, err = run(*words)
    assert out + err
    assert not UNSAFE & set(out + err)
    assert "--filter" in words or not any(line.startswith("error: all") for line in (out + err).splitlines())


def test_json_still_says_what_is_stored(shop, run):
    _, out, _ = run("search", "shop.snap", "a.png", "--json")
    assert json.loads(out)["hits"][0]["title"] == "Mug " + EVIL.strip()


def test_letters_of_every_script_are_shown(shop, run):
    with snapfind.open("shop.snap") as opened:
        opened.put(
            [(Product("b", "\u8336 Caf\u00e9 \u05d0\u05d1\u200f \u0645\u0631\u062d\u0628\u0627"), {"b.png": PICTURE})]
        )
    assert (
        "\u8336 Caf\u00e9 \u05d0\u05d1\u200f \u0645\u0631\u062d\u0628\u0627" in run("search", "shop.snap", "a.png")[1]
    )
