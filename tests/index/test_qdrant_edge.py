"""The embedded engine alone: nothing acknowledged is lost to kill -9, the graph finds what a full scan finds."""

import signal
import subprocess
import sys
import uuid
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from snapfind.core.errors import CatalogBroken, CatalogBusy, NoRoom, OutOfMemory, ReadOnly
from snapfind.index import qdrant_edge
from snapfind.index.base import IndexQuery, Point
from snapfind.index.filters import parse
from snapfind.index.hnsw_config import DEFAULT, HnswConfig

WRITER = """
import sys, uuid, numpy as np
from pathlib import Path
from snapfind.index import qdrant_edge
from snapfind.index.base import Point
index = qdrant_edge.open(Path(sys.argv[1]))
index.add_space("a", 16)
begin = int(sys.argv[2])
for batch in range(10_000):
    numbers = range(begin + batch * 5, begin + batch * 5 + 5)
    vector = np.ones(16, np.float32) / 4
    index.upsert([Point(str(uuid.UUID(int=n)), {"a": vector}, f"w{n}", {"_product": str(n)}) for n in numbers])
    print(numbers[-1], flush=True)
"""


def killed_rounds(folder, rounds):
    rng = np.random.default_rng(0)
    acknowledged = set()
    for round_ in range(rounds):
        begin = round_ * 1_000_000
        command = [sys.executable, "-c", WRITER, str(folder), str(begin)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        lines = int(rng.integers(3, 150))
        for _, line in zip(range(lines), writer.stdout):
            last = int(line)
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()  # acknowledged before the signal came
        writer.wait()
        writer.stdout.close()
        last = max([last, *(int(number) for number in rest if number.isdigit() and int(number) > last)])
        acknowledged |= {str(uuid.UUID(int=number)) for number in range(begin, last + 1)}
    index = qdrant_edge.open(folder)
    there = {point.id for point in index.get(sorted(acknowledged))}
    index.close()
    assert acknowledged <= there
    return len(acknowledged)


def test_twenty_kills_lose_nothing(tmp_path):
    assert killed_rounds(tmp_path / "index", 20) > 200


@pytest.mark.slow
def test_two_hundred_kills_lose_nothing(tmp_path):
    assert killed_rounds(tmp_path / "index", 200) > 2000


@pytest.fixture(scope="module")
def crowd():
    """Pictures of 200 things in 11 MB, for the engine links none below ten; their places, and 60 photos."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(200, 256))
    vectors = centers[rng.integers(200, size=11_000)] + 0.6 * rng.normal(size=(11_000, 256))
    queries = vectors[:60] + 0.1 * rng.normal(size=(60, 256))
    rows = [one / np.linalg.norm(one, axis=1, keepdims=True) for one in (vectors, queries)]
    return [one.astype(np.float32) for one in rows]


def filled(folder, vectors, graph):
    index = qdrant_edge.open(folder, graph)
    index.add_space("a", 256)
    index.declare({"price": "number"})
    for at in range(0, len(vectors), 1000):
        index.upsert(
            [
                Point(str(uuid.UUID(int=n)), {"a": vectors[n]}, "", {"_product": str(n), "price": n % 10})
                for n in range(at, at + 1000)
            ]
        )
    index.optimize()
    return index


def share_found(index, vectors, queries, prices):
    """Of the ten nearest pictures of these prices, by full scan."""
    fits = np.isin(np.arange(len(vectors)) % 10, prices)
    meaning = parse(f"price in ({', '.join(map(str, prices))})", {"price": "number"}) if len(prices) < 10 else None
    shared = 0
    for query in queries:
        ours = {found.id for found in index.search(IndexQuery("a", query, limit=10, filter=meaning))}
        best = np.argsort(np.where(fits, -(vectors @ query), np.inf))[:10]
        shared += len(ours & {str(uuid.UUID(int=int(n))) for n in best})
    return shared / (10 * len(queries))


def test_the_graph_finds_what_a_full_scan_finds(tmp_path, crowd):
    vectors, queries = crowd
    with closing(filled(tmp_path / "index", vectors, replace(DEFAULT, full_scan=1))) as walked:
        assert share_found(walked, vectors, queries, range(10)) >= 0.98
        assert share_found(walked, vectors, queries, [3]) >= 0.98


def test_what_is_small_is_scanned_and_misses_nothing_whatever_the_graph(tmp_path, crowd):
    vectors, queries = crowd
    coarse = HnswConfig(m=2, ef_construct=4, ef=4, full_scan=1)
    with closing(filled(tmp_path / "walked", vectors, coarse)) as walked:
        assert share_found(walked, vectors, queries, range(10)) < 0.8
    with closing(filled(tmp_path / "scanned", vectors, replace(coarse, full_scan=DEFAULT.full_scan))) as scanned:
        assert share_found(scanned, vectors, queries, range(10)) >= 0.99
        assert share_found(scanned, vectors, queries, [3]) >= 0.99


def test_a_folder_opened_again_has_spaces_fields_and_points(tmp_path):
    index = qdrant_edge.open(tmp_path / "index")
    index.declare({"tags": "list"})
    index.add_space("a", 2)
    index.upsert([Point(str(uuid.UUID(int=1)), {"a": np.array([1, 0], np.float32)}, "tea", {"tags": ["x"]})])
    index.close()
    again = qdrant_edge.open(tmp_path / "index")
    assert dict(again.spaces()) == {"a": 2}
    assert again.facets("tags") == [("x", 1)]
    assert again.get([str(uuid.UUID(int=1))])[0].words == "tea"
    with pytest.raises(CatalogBusy, match="open in this process"):
        qdrant_edge.open(tmp_path / "index")
    again.close()


def test_a_damaged_folder_is_one_clear_error(tmp_path):
    qdrant_edge.open(tmp_path / "index").close()
    (tmp_path / "index" / "edge_config.json").write_text("{")
    with pytest.raises(CatalogBroken, match="restore a snapshot"):
        qdrant_edge.open(tmp_path / "index")


@pytest.mark.parametrize(
    ("reason", "error", "said"),
    [
        ("Can't init WAL: Kind(WouldBlock)", CatalogBusy, "open in"),
        ('Os { code: 27, kind: FileTooLarge, message: "File too large" }', NoRoom, "ulimit -f"),
        ('Os { code: 28, kind: StorageFull, message: "No space left on device" }', NoRoom, "free some space"),
        ('Os { code: 12, kind: OutOfMemory, message: "Cannot allocate memory" }', OutOfMemory, "ulimit -v"),
        ('Os { code: 13, kind: PermissionDenied, message: "Permission denied" }', ReadOnly, "owner"),
        ("unexpected end of segment", CatalogBroken, "restore a snapshot"),
    ],
)
def test_only_a_damaged_index_asks_for_a_snapshot(tmp_path, reason, error, said):
    found = qdrant_edge._opening_error(tmp_path, reason)
    assert type(found) is error and said in found.message
    assert ("snapshot" in found.message) == (error is CatalogBroken)


def test_fields_beyond_the_first_are_indexed_when_they_are_asked_for(tmp_path):
    kinds = ["text", "number", "bool", "date", "list"]
    schema = {f"f{number}": kinds[number % 5] for number in range(120)}
    values = {"text": "x", "number": 3, "bool": True, "date": "2026-01-02", "list": ["x", "y"]}
    index = qdrant_edge.open(tmp_path / "index")
    index.declare(schema)
    index.add_space("a", 2)
    index.upsert(
        [
            Point(
                str(uuid.UUID(int=1)),
                {"a": np.array([1, 0], np.float32)},
                "",
                {n: values[k] for n, k in schema.items()},
            ),
            Point(str(uuid.UUID(int=2)), {"a": np.array([0, 1], np.float32)}, "", {}),
        ]
    )
    before = len(index._declared())
    assert before < 60
    asked = ["f115 = 'x'", "f116 > 2", "f117", "f118 = 2026-01-02", "f119 = 'y'", "exists(f110)"]
    for text in asked:
        assert [one.id for one in index.scroll(parse(text, schema)).points] == [str(uuid.UUID(int=1))], text
        assert index.count(parse(f"not ({text})", schema)) == 1
    assert index.facets("f105") == [("x", 1)] and index.facets("f107") == [(True, 1)]
    assert len(index._declared()) == before + len(asked) + 2
    assert index.delete(parse("f100 = 'x'", schema)) == 1
    index.close()
    again = qdrant_edge.open(tmp_path / "index")
    again.declare(schema)
    assert len(again._declared()) == before + len(asked) + 3
    assert again.count(parse("f111 > 2", schema)) == 0
    again.close()
