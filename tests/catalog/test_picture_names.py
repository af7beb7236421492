"""Pictures are found by every spelling of their names, and never outside of the root."""

import json
import unicodedata

import pytest

from snapfind.catalog.ingest.sources import Failure, Item, Remote, open_source
from snapfind.media.fetch import FetchPolicy
from tests.pictures import save

MUG, PICTURES = "gr\u00fcner mug.png", ("m/b/mug.png", "a.png", "b.png", "c.png", "a, b.png", "x|y.png", "100%.png")


@pytest.fixture
def media(tmp_path):
    for number, name in enumerate([*PICTURES, unicodedata.normalize("NFD", MUG)]):
        save(number, tmp_path / "media" / name)
    return tmp_path / "media"


def named(media, cell, suffix="csv", fetching=None):
    """The names of files of one row, from the root on, or failures."""
    table = media.parent / f"t.{suffix}"
    quoted = '"' + cell.replace('"', '""') + '"' if isinstance(cell, str) else ""
    text = f"id,picture\n1,{quoted}\n" if suffix == "csv" else json.dumps({"id": "1", "picture": cell}) + "\n"
    table.write_text(text, encoding="utf-8")
    found = list(open_source(table, {}, media, fetching=fetching))
    failures = [one for one in found if isinstance(one, Failure)]
    items = [one for one in found if isinstance(one, Item)]
    own = [one.picture if isinstance(one, Remote) else str(one.path.relative_to(media)) for one in items]
    return own, [one.code for one in failures]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@pytest.mark.parametrize(
    ("cell", "files"),
    [
        ("m/b/mug.png", ["m/b/mug.png"]),
        ("/m/b/mug.png", ["m/b/mug.png"]),
        ("\\m\\b\\mug.png", ["m/b/mug.png"]),
        ("./m//b/mug.png", ["m/b/mug.png"]),
        ("M/B/Mug.PNG", ["m/b/mug.png"]),
        ("C:\\m\\b\\mug.png", ["m/b/mug.png"]),
        ("/m/b/mug.png?v=17", ["m/b/mug.png"]),
        ("m%2Fb%2Fmug.png", ["m/b/mug.png"]),
        ("file:///m/b/mug.png", ["m/b/mug.png"]),
        ("100%.png", ["100%.png"]),
        ("100%25.png", ["100%.png"]),
        (MUG, [unicodedata.normalize("NFD", MUG)]),
        (unicodedata.normalize("NFD", MUG), [unicodedata.normalize("NFD", MUG)]),
        ("gr%C3%BCner%20mug.png", [unicodedata.normalize("NFD", MUG)]),
        ("a.png, c.png", ["a.png", "c.png"]),
        ("a.png;c.png", ["a.png", "c.png"]),
        ("a.png\nc.png\r\nb.png", ["a.png", "c.png", "b.png"]),
        ("/a.png|\\c.png| ", ["a.png", "c.png"]),
        ("a, b.png", ["a, b.png"]),
        ("a, b.png|c.png", ["a, b.png", "c.png"]),
        ("x|y.png", ["x|y.png"]),
        ('["x|y.png", "a.png"]', ["x|y.png", "a.png"]),
        ("a.png,", ["a.png"]),
        ("; a.png ;c.png;", ["a.png", "c.png"]),
        ('"a.png","c.png"', ["a.png", "c.png"]),
        ("['x|y.png', 'a.png']", ["x|y.png", "a.png"]),
        ("gone.png,lost.png", ["gone.png", "lost.png"]),
        ("gone, and lost", ["gone, and lost"]),
    ],
)
def test_every_spelling_finds_its_file(media, cell, files, suffix):
    assert named(media, cell, suffix) == (files, [])


def test_lists_are_exact(media):
    assert named(media, ["x|y.png", "a, b.png", None, {"src": "c.png"}], "jsonl") == (
        ["x|y.png", "a, b.png", "c.png"],
        [],
    )


@pytest.mark.parametrize(
    "cell", ["../secret.png", "..\\secret.png", "m/../../secret.png", "%2e%2e/secret.png", "file:///../secret.png"]
)
def test_no_spelling_leads_outside(media, cell):
    save(1, media.parent / "secret.png")
    assert named(media, cell) == ([], ["picture_outside"])


def test_a_link_leads_nowhere_else_in_another_case(media):
    save(1, media.parent / "outside" / "secret.png")
    (media / "Linked").symlink_to(media.parent / "outside")
    assert named(media, "Linked/secret.png") == ([], ["picture_outside"])
    (missing,), _ = named(media, "linked/SECRET.png")
    assert not (media / missing).exists()


@pytest.mark.parametrize(
    ("cell", "urls"),
    [
        ("HTTP://shop.example/A.png", ["http://shop.example/A.png"]),
        ("//shop.example/a.png", ["https://shop.example/a.png"]),
        ("https://a.example/red mug.png", ["https://a.example/red mug.png"]),
        (
            "https://a.example/x.png, https://a.example/y,z.png",
            ["https://a.example/x.png", "https://a.example/y,z.png"],
        ),
        ("https://a.example/x.png; //a.example/y.png", ["https://a.example/x.png", "https://a.example/y.png"]),
        ("https://a.example/x.png\nHTTPS://a.example/y.png", ["https://a.example/x.png", "https://a.example/y.png"]),
        ("https://a.example/x.png https://a.example/y.png", ["https://a.example/x.png", "https://a.example/y.png"]),
        ("a.png,https://a.example/y.png", ["a.png", "https://a.example/y.png"]),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_addresses_in_every_form(media, cell, urls, suffix):
    assert named(media, cell, suffix, FetchPolicy(None)) == (urls, [])
    closed = named(media, cell, suffix)
    assert closed[1] == ["picture_url"] * len([url for url in urls if "://" in url])


def test_other_schemes_are_failures(media):
    assert named(media, "ftp://shop.example/a.png", fetching=FetchPolicy(None)) == ([], ["picture_url"])
