"""Pairs in tar shards: read where they lie, whatever is broken left out and counted."""

import io
import json
import tarfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")

from snapfind.core.errors import BadInput
from snapfind.media.image.decode import Limits
from snapfind.training.data.webdataset import Shards
from tests.pictures import picture

LIMITS = Limits(1_000_000, 10_000_000, 5000)


def jpeg(number, side=32):
    content = io.BytesIO()
    picture(number, side).save(content, "JPEG")
    return content.getvalue()


def shard(path, members):
    """`members`: name -> bytes, or a TarInfo without content."""
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            told = tarfile.TarInfo(name)
            told.size = len(content)
            tar.addfile(told, io.BytesIO(content))
    return path


def pairs(numbers):
    return [
        member
        for number in numbers
        for member in ((f"{number:05}.jpg", jpeg(number)), (f"{number:05}.txt", f"thing {number}".encode()))
    ]


def test_every_pair_is_read_with_its_own_title(tmp_path):
    files = [shard(tmp_path / f"{n}.tar", pairs(range(10 * n, 10 * n + 4))) for n in range(3)]
    found = Shards(files, LIMITS)
    assert len(found) == 12 and not found.left_out
    assert [found.read(n)[1] for n in range(12)] == [f"thing {10 * s + n}" for s in range(3) for n in range(4)]
    assert np.asarray(found.read(5)[0]).shape == (32, 32, 3) and found.title(5) == "thing 11"


def test_a_pass_has_every_pair_once_and_another_order_each_time(tmp_path):
    found = Shards([shard(tmp_path / f"{n}.tar", pairs(range(n, n + 5))) for n in range(20)], LIMITS)
    first, again, second = found.order(0, 0), found.order(0, 0), found.order(0, 1)
    assert sorted(first) == list(range(100)) == sorted(second)
    assert np.array_equal(first, again) and not np.array_equal(first, second)


def test_what_cannot_be_used_is_left_out_and_counted(tmp_path):
    link = tarfile.TarInfo("link.jpg")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    members = [
        *pairs([1]),
        ("alone.jpg", jpeg(2)),
        ("only.txt", b"a title"),
        ("big.jpg", b"x" * 1_000_001),
        ("big.txt", b"a title"),
        ("code.pkl", b"x"),
        ("", link),
        ("../../up.jpg", jpeg(3)),
        ("../../up.txt", b"climbs"),
        ("j.png", jpeg(4)),
        ("j.json", json.dumps({"title": "told in JSON"}).encode()),
    ]
    found = Shards([shard(tmp_path / "a.tar", members)], LIMITS)
    assert [found.title(n) for n in range(len(found))] == ["thing 1", "climbs", "told in JSON"]
    assert found.left_out == {
        "picture without a title": 1,
        "title without a picture": 2,
        "member over 1,000,000 bytes": 1,
        "member of another kind (.pkl)": 1,
        "member that is no plain file": 1,
    }
    assert {path.name for path in tmp_path.iterdir()} == {"a.tar"}, "nothing is extracted"


@pytest.mark.parametrize("damage", ["cut", "garbage", "header", "missing"])
def test_a_broken_shard_does_not_stop_the_others(tmp_path, damage):
    good, bad = shard(tmp_path / "good.tar", pairs(range(3))), shard(tmp_path / "bad.tar", pairs(range(10, 14)))
    content = bytearray(bad.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 3]
    elif damage == "garbage":
        content = bytearray(b"no tar at all" * 100)
    elif damage == "header":
        second = content.index(b"00011.jpg")
        content[second : second + 200] = b"\xff" * 200
    bad.write_bytes(content)
    if damage == "missing":
        bad.unlink()
    found = Shards([bad, good], LIMITS)
    assert found.left_out["shard that is no whole tar file"] == 1
    titles = [found.title(n) for n in range(len(found))]
    assert titles[-3:] == ["thing 0", "thing 1", "thing 2"] and set(titles[:-3]) <= {"thing 10", "thing 11"}


def test_no_pair_at_all_is_one_sentence(tmp_path):
    with pytest.raises(BadInput, match=r"no pair of KEY\.jpg and KEY\.txt \(1 × title without"):
        Shards([shard(tmp_path / "a.tar", [("a.txt", b"x")])], LIMITS)
    with pytest.raises(BadInput, match="1 empty"):
        Shards([shard(tmp_path / "empty.tar", [])], LIMITS)
    with pytest.raises(BadInput, match="no shard was given"):
        Shards([], LIMITS)
    found = Shards([shard(tmp_path / "b.tar", [("a.jpg", b"x"), ("a.json", b"[")])], LIMITS)
    for wrong in (lambda: found.read(0), lambda: found.title(0)):
        with pytest.raises(BadInput):
            wrong()


@settings(max_examples=60)
@given(st.binary(max_size=3000), st.integers(0, 10_000))
def test_whatever_the_bytes_are_it_ends_in_pairs_or_in_a_sentence(tmp_path_factory, noise, at):
    path = shard(tmp_path_factory.mktemp("noise") / "a.tar", pairs([1, 2]))
    content = path.read_bytes()
    path.write_bytes(content[:at] + noise + content[at + len(noise) :])
    try:
        found = Shards([path], LIMITS)
    except BadInput:
        return
    for number in range(len(found)):
        try:
            found.read(number)
        except BadInput:
            continue
