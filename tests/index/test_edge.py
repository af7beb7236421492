"""The embedded engine alone: nothing acknowledged is lost to kill -9, the graph finds what a full scan finds."""

import signal
import subprocess
import sys
import uuid

import numpy as np
import pytest

from snapfind.errors import CatalogBroken
from snapfind.index import edge
from snapfind.index.exact import Exact
from snapfind.index.port import Ask, Point

WRITER = """
import sys, uuid, numpy as np
from pathlib import Path
from snapfind.index import edge
from snapfind.index.port import Point
index = edge.open(Path(sys.argv[1]))
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
    index = edge.open(folder)
    there = {point.id for point in index.get(sorted(acknowledged))}
    index.close()
    assert acknowledged <= there
    return len(acknowledged)


def test_twenty_kills_lose_nothing(tmp_path):
    assert killed_rounds(tmp_path / "index", 20) > 200


@pytest.mark.slow
def test_two_hundred_kills_lose_nothing(tmp_path):
    assert killed_rounds(tmp_path / "index", 200) > 2000


def test_the_graph_finds_what_a_full_scan_finds(tmp_path):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(200, 64))
    vectors = centres[rng.integers(200, size=6000)] + 0.6 * rng.normal(size=(6000, 64))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    points = [
        Point(str(uuid.UUID(int=n)), {"a": vector}, "", {"_product": str(n), "price": n % 100})
        for n, vector in enumerate(vectors)
    ]
    index, exact = edge.open(tmp_path / "index"), Exact()
    for one in (index, exact):
        one.add_space("a", 64)
    index.declare({"price": "number"})
    index.upsert(points)
    exact.upsert(points)
    index.optimize()
    shared = 0
    for query in vectors[:100] + 0.05 * rng.normal(size=(100, 64)).astype(np.float32):
        ask = Ask("a", (query / np.linalg.norm(query)).astype(np.float32), limit=10)
        ours = {found.id for found in index.search(ask)}
        shared += len(ours & {found.id for found in exact.search(ask)})
    index.close()
    assert shared / 1000 >= 0.98


def test_a_folder_opened_again_has_spaces_fields_and_points(tmp_path):
    index = edge.open(tmp_path / "index")
    index.declare({"tags": "list"})
    index.add_space("a", 2)
    index.upsert([Point(str(uuid.UUID(int=1)), {"a": np.array([1, 0], np.float32)}, "tea", {"tags": ["x"]})])
    index.close()
    again = edge.open(tmp_path / "index")
    assert dict(again.spaces()) == {"a": 2}
    assert again.facets("tags") == [("x", 1)]
    assert again.get([str(uuid.UUID(int=1))])[0].words == "tea"
    with pytest.raises(CatalogBroken, match="snapshot"):
        edge.open(tmp_path / "index")
    again.close()


def test_a_damaged_folder_is_one_clear_error(tmp_path):
    edge.open(tmp_path / "index").close()
    (tmp_path / "index" / "edge_config.json").write_text("{")
    with pytest.raises(CatalogBroken, match="restore a snapshot"):
        edge.open(tmp_path / "index")
