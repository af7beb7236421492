"""What the settings of the embedded index cost a search and find: those before, and today's walked and scanned.

    SNAPFIND_DATA=… python benchmarks/growth.py see real.npz                                   # real pictures, once
    python benchmarks/index_settings.py build real.npz FOLDER --points 81 9999 99999 --dim 256 1280
    python benchmarks/index_settings.py ask FOLDER                                             # prints the table

Vectors, photos and filters are those of `growth.py`. All indexes of one size are open in one process and take turns,
photo by photo, each with another one first; 400 photos after 50 that warm up, one caller. A cell is recall@10, then p50
and p99 of `Index.search` in ms: ten products, with their fields. "Walked" never scans what has a graph, "scanned" never
walks. Building is in seconds of the processor.
"""

import argparse
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from growth import FILTERS, WARM, filled, found, made
from growth_vectors import Rows

from snapfind.index import qdrant_edge
from snapfind.index.base import Index
from snapfind.index.filters import Filter, where
from snapfind.index.hnsw_config import DEFAULT, HnswConfig

SETTINGS = {
    "before": HnswConfig(
        m=16, ef_construct=128, ef=128, ef_filtered=128, acorn_selectivity=0, quantile=None, full_scan=10_000
    ),
    "walked": replace(DEFAULT, full_scan=1),
    "scanned": replace(DEFAULT, full_scan=100_000_000),
    "as it ships": DEFAULT,
}


def build(kept: Path, folder: Path, points: int, dim: int) -> None:
    """An index for each of the settings over the same vectors; those that are there already stay."""
    place = folder / f"{points}-{dim}"
    note = place / "told.json"
    told = json.loads(note.read_text()) if note.exists() else {}
    missing = {name: graph for name, graph in SETTINGS.items() if name not in told}
    vectors, categories = made(kept, place, points, dim) if missing else (None, None)
    for name, graph in missing.items():
        shutil.rmtree(place / name, ignore_errors=True)
        index = qdrant_edge.open(place / name, graph)
        told[name] = filled(index, vectors, categories)
        index.close()
        note.write_text(json.dumps(told))


def ask(place: Path) -> list[str]:
    """Rows of the table for one size: what building took, then a row for each filter."""
    held, told = np.load(place / "asked.npz"), json.loads((place / "told.json").read_text())
    size = "{:,} | {}".format(*map(int, place.name.split("-")))
    indexes = {name: qdrant_edge.open(place / name, graph) for name, graph in SETTINGS.items()}
    built = (f"{told[name]['built_cpu_s']:.1f} s" for name in indexes)
    rows = [f"| {size} | to build | {' | '.join(built)} |"]
    for kept, lots in FILTERS.items():
        answers = [{f"p{product}" for product in row} for row in held[f"answers {kept}"]]
        if any(answers):
            cells = taking_turns(indexes, held["queries"], answers, where("lot", lots) if lots else None)
            rows.append(f"| {size} | {kept} | {' | '.join(cells)} |")
    for index in indexes.values():
        index.close()
    return rows


def taking_turns(
    indexes: Mapping[str, Index], queries: Rows, answers: Sequence[set[str]], chosen: Filter | None
) -> list[str]:
    """Recall, median and 99th percentile in ms of each index."""
    times: dict[str, list[float]] = {name: [] for name in indexes}
    shared = dict.fromkeys(indexes, 0)
    for turn, (query, answer) in enumerate(zip(queries, answers)):
        for name in turned(list(indexes), turn):
            begin = time.perf_counter()
            products = found(indexes[name], query, chosen)
            if turn >= WARM:
                times[name].append(1000 * (time.perf_counter() - begin))
                shared[name] += len(answer & products)
    most = sum(map(len, answers[WARM:]))
    middle, late = ({name: float(np.quantile(times[name], share)) for name in indexes} for share in (0.5, 0.99))
    return [f"{shared[name] / most:.3f}, {middle[name]:.1f} / {late[name]:.1f}" for name in indexes]


def turned(names: Sequence[str], turn: int) -> list[str]:
    """The names, begun with another one each turn."""
    at = turn % len(names)
    return [*names[at:], *names[:at]]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    building = verbs.add_parser("build")
    building.add_argument("kept", type=Path)
    building.add_argument("folder", type=Path)
    building.add_argument("--points", type=int, nargs="+", default=[81, 9999, 99_999])
    building.add_argument("--dim", type=int, nargs="+", default=[256, 1280])
    verbs.add_parser("ask").add_argument("folder", type=Path)
    given = parser.parse_args()
    if given.verb == "build":
        for points in given.points:
            for dim in given.dim:
                build(given.kept, given.folder, points, dim)
        return
    print(f"| points | numbers | filter keeps | {' | '.join(SETTINGS)} |")
    print(f"|{'---|' * (3 + len(SETTINGS))}")
    for place in sorted(given.folder.iterdir(), key=lambda path: tuple(map(int, path.name.split("-")))):
        print("\n".join(ask(place)), flush=True)


if __name__ == "__main__":
    main()
