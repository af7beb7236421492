"""Words of a terminal in another encoding are searched, and names of files stay the bytes that they are."""

import os
import subprocess
import sys

import pytest

from snapfind.cli.target import decode_arguments
from tests.catalog.conftest import Shop
from tests.pictures import picture

C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    shop = Shop(tmp_path_factory.mktemp("shop"))
    shop.rows[1][1] = "Müsli"
    shop.write()
    picture(3).save(shop.folder / "old.png")
    (shop.folder / "old.png").rename(os.fsdecode(os.fsencode(shop.folder) + b"/Gr\xfcn.png"))
    with shop.open() as catalog:
        catalog.add(shop.table)
    return shop


def ask(shop, *words, **environment):
    """`snapfind` in a process of its own: its exit code and what it wrote, as bytes."""
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    done = subprocess.run(
        [sys.executable.encode(), b"-m", b"snapfind", *words],
        capture_output=True,
        cwd=shop.folder,
        env=os.environ | environment,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("environment", [{}, C_LOCALE], ids=["utf-8", "C"])
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([b"M\xfcsli"], b"tea-1"),
        (["Müsli"], b"tea-1"),
        ([b"Gr\xfcn.png"], b"mug-1"),
        (["a", "--filter", b"title = 'M\xfcsli'"], b"tea-1"),
        (["--category", b"M\xfcsli", "tea"], b"tea-2"),
    ],
)
def test_search_reads_words_in_any_encoding(shop, words, found, environment):
    code, said = ask(shop, "search", shop.path, *words, **environment)
    assert code == 0 and found in said, said


@pytest.mark.parametrize("environment", [{}, C_LOCALE], ids=["utf-8", "C"])
@pytest.mark.parametrize(
    "words",
    [
        ["search", "shop.snap", b"n\xf6.png"],
        ["add", "shop.snap", b"K\xfcche"],
        ["add", "shop.snap", "Küche.csv"],
        ["delete", "shop.snap", b"n\xf6"],
        ["info", b"n\xf6.snap"],
        ["export", "shop.snap", b"K\xfc.xyz"],
        ["key", "revoke", "shop.snap", b"n\xf6"],
        [b"n\xf6"],
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(shop, words, environment):
    assert ask(shop, *words, **environment)[0] in (1, 2)


def test_words_that_are_no_files_are_decoded_as_utf_8_else_as_latin_1():
    assert decode_arguments(["M\udcfcsli", "M\udcc3\udcbcsli", "plain", "\ud83d"]) == [
        "Müsli",
        "Müsli",
        "plain",
        "\ud83d",
    ]
