"""What a catalog's index costs and finds as it grows: built from made vectors, asked through the `Index` port.

    SNAPFIND_DATA=… python benchmarks/growth.py see real.npz             # real pictures, once
    python benchmarks/growth.py build real.npz FOLDER --points 100000 --dim 256
    python benchmarks/growth.py ask FOLDER --to rows.jsonl               # a row: recall, times, memory, disk

`growth_vectors.py` says how vectors and photos are made: three pictures a product. Recall@10 counts products, against a
full scan in numpy; the filters keep 30, 10 and 1 % of the products, drawn at random. `ask` is one caller in a
process of its own, 400 photos a row. Updates are whole points written again, 64 at a time, by one thread beside the
searching one, for ten seconds.
"""

import argparse
import json
import resource
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from growth_vectors import Rows, Shopful, seen
from numpy.typing import NDArray

from snapfind.index import qdrant_edge
from snapfind.index.base import Index, IndexQuery, Point
from snapfind.index.filters import Filter, where

EACH, LOTS, BATCH = 3, 100, 1000
QUERIES, WARM, UPDATING = 400, 50, 10.0
SPACE = "made"
FILTERS: dict[str, list[str]] = {
    "all": [],
    "30 %": [f"lot-{lot}" for lot in range(30)],
    "10 %": [f"lot-{lot}" for lot in range(10)],
    "1 %": ["lot-99"],
}


def see(kept: Path) -> None:
    """What the shipped encoder makes of `grocery` and `clothing`, `train` only; and of the studio pictures."""
    from scenes import DATA, studio

    from snapfind.core.config import Settings
    from snapfind.encoders.image.efficientnet import Builtin
    from snapfind.media.image.decode import Limits, load

    encoder, limits = Builtin.load(), Limits.of(Settings())

    def pooled(paths: Sequence[Path]) -> Rows:
        parts = [
            encoder.extract_features(
                [load(path, limits, side=encoder.preprocessing.side) for path in paths[at : at + 64]]
            ).pooled
            for at in range(0, len(paths), 64)
        ]
        return np.concatenate(parts)

    lines = [line.split(", ") for line in (DATA / "grocery" / "train.txt").read_text().splitlines()]
    garments = sorted((DATA / "clothing" / "train").rglob("*.jpg"))
    np.savez(
        kept,
        grocery=pooled([DATA / "grocery" / line[0] for line in lines]),
        fine=np.array([int(line[1]) for line in lines]),
        clothing=pooled(garments),
        cloth=np.array([path.parent.name for path in garments]),
        studio=encoder.extract_features(studio()[2]).pooled,
    )


def point(row: int, vector: Rows, category: int) -> Point:
    """A picture as the catalog writes it."""
    product = row // EACH
    payload = {
        **{"_product": f"p{product}", "_picture": f"p{product}/{row % EACH}.jpg", "_primary": row % EACH == 0},
        **{"_hash": f"{row:064x}", "_width": 384, "_height": 384},
        **{"title": f"product {product}", "price": product % 997 / 10, "category": f"c{category}"},
        "lot": lot_of(product),
    }
    return Point(str(uuid.UUID(int=row)), {SPACE: vector}, "", payload)


def lot_of(product: int) -> str:
    """One of a hundred lots, without regard to what the product looks like."""
    return f"lot-{product * 7919 % 104_729 % LOTS}"


def build(kept: Path, folder: Path, points: int, dim: int) -> None:
    """Make the vectors, the exact answers, and the index."""
    vectors, categories = made(kept, folder, points, dim)
    index = qdrant_edge.open(folder / "index")
    told = {"points": len(vectors), "dim": dim, **filled(index, vectors, categories)}
    told["categories"] = int(categories.max()) + 1
    told["built_peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - vectors.nbytes / 2**20
    index.close()
    (folder / "told.json").write_text(json.dumps(told))
    print(json.dumps(told))


def made(kept: Path, folder: Path, points: int, dim: int) -> tuple[Rows, NDArray[np.int64]]:
    """(n, dim) vectors and their categories; queries, their exact answers and some vectors are left in the folder."""
    shop = Shopful(seen(kept, dim), points // EACH)
    vectors, categories = shop.pictures(points // EACH, EACH)
    queries, _ = shop.queries(vectors, QUERIES + WARM)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "some.npy", vectors[: 64 * 400])
    answers = {f"answers {name}": exact(queries, vectors, lots) for name, lots in FILTERS.items()}
    np.savez(folder / "asked.npz", queries=queries, **answers)
    return vectors, categories


def filled(index: Index, vectors: Rows, categories: NDArray[np.int64]) -> dict[str, float]:
    """Write the pictures and optimize; seconds of the clock until written and until built, and of the processor."""
    index.declare({"title": "text", "price": "number", "category": "text", "lot": "text"})
    index.add_space(SPACE, vectors.shape[1])
    begin, busy = time.perf_counter(), time.process_time()
    for at in range(0, len(vectors), BATCH):
        index.upsert([point(at + row, v, int(categories[at + row])) for row, v in enumerate(vectors[at : at + BATCH])])
    written = time.perf_counter() - begin
    index.optimize()
    return {
        **{"written_s": written, "built_s": time.perf_counter() - begin},
        "built_cpu_s": time.process_time() - busy,
    }


def exact(queries: Rows, vectors: Rows, lots: list[str]) -> NDArray[np.int64]:
    """(queries, 10) products, the nearest first, by full scan."""
    products = np.arange(len(vectors) // EACH)
    if lots:
        products = products[[lot_of(int(product)) in lots for product in products]]
    shown = vectors.reshape(-1, EACH, vectors.shape[1])
    best = [np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)]
    for at in range(0, len(products), 50_000):
        some = products[at : at + 50_000]
        scores = np.max([queries @ shown[some, each].T for each in range(EACH)], axis=0)
        scores = np.concatenate([best[0], scores], axis=1)
        ids = np.concatenate([best[1], np.broadcast_to(some, (len(queries), len(some)))], axis=1)
        order = np.argsort(-scores, axis=1)[:, :10]
        best = [np.take_along_axis(scores, order, 1), np.take_along_axis(ids, order, 1)]
    return best[1]


def ask(folder: Path, to: Path) -> None:
    """One row of the table."""
    held = np.load(folder / "asked.npz")
    queries = held["queries"]
    index = qdrant_edge.open(folder / "index")
    row: dict[str, Any] = json.loads((folder / "told.json").read_text())
    for name, lots in FILTERS.items():
        chosen = where("lot", lots) if lots else None
        for query in queries[:WARM]:
            found(index, query, chosen)
        shared, times = 0, list[float]()
        for query, answer in zip(queries[WARM:], held[f"answers {name}"][WARM:]):
            begin = time.perf_counter()
            products = found(index, query, chosen)
            times.append(1000 * (time.perf_counter() - begin))
            shared += len({f"p{product}" for product in answer} & products)
        row |= {f"recall {name}": shared / (10 * QUERIES), **percentiles(times, f" {name}")}
        if not lots:
            row["spread all"] = np.quantile(times, np.linspace(0, 1, 101)).round(3).tolist()
    row |= memory() | {"disk_mb": size(folder / "index") / 2**20}
    row |= updating(index, np.load(folder / "some.npy"), queries)
    index.close()
    with to.open("a") as out:
        out.write(json.dumps(row) + "\n")
    print(json.dumps({name: value for name, value in row.items() if name != "spread all"}, indent=1))


def found(index: Index, query: Rows, chosen: Filter | None) -> set[str]:
    """The products of the first ten hits."""
    return {hit.payload["_product"] for hit in index.search(IndexQuery(SPACE, query, filter=chosen, limit=10))}


def percentiles(times: list[float], name: str) -> dict[str, float]:
    """Milliseconds."""
    return {f"p50{name}": float(np.quantile(times, 0.5)), f"p99{name}": float(np.quantile(times, 0.99))}


def updating(index: Index, some: Rows, queries: Rows) -> dict[str, float]:
    """Points written a second beside a caller that searches, and what the caller sees of it."""
    stop, written = threading.Event(), 0

    def write() -> None:
        nonlocal written
        for at in batches(len(some)):
            if stop.is_set():
                return
            index.upsert([point(at + row, vector, 0) for row, vector in enumerate(some[at : at + 64])])
            written += 64

    writer = threading.Thread(target=write)
    begin, times = time.perf_counter(), []
    writer.start()
    while (now := time.perf_counter()) - begin < UPDATING:
        found(index, queries[len(times) % len(queries)], None)
        times.append(1000 * (time.perf_counter() - now))
    stop.set()
    writer.join()
    seconds = time.perf_counter() - begin
    return {
        "updates_per_s": written / seconds,
        "searches_per_s": len(times) / seconds,
        **percentiles(times, " meanwhile"),
    }


def batches(points: int) -> Iterator[int]:
    """Where each batch of 64 begins, over and over."""
    while True:
        yield from range(0, points - 63, 64)


def memory() -> dict[str, float]:
    """Megabytes of this process: its own, and files that it looks into, which the system may take back."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return {f"{name.lower()}_mb": int(lines[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile")}


def size(folder: Path) -> int:
    """Bytes on disk."""
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("see").add_argument("kept", type=Path)
    building = verbs.add_parser("build")
    building.add_argument("kept", type=Path)
    building.add_argument("folder", type=Path)
    building.add_argument("--points", type=int, default=100_000)
    building.add_argument("--dim", type=int, default=256)
    asking = verbs.add_parser("ask")
    asking.add_argument("folder", type=Path)
    asking.add_argument("--to", type=Path, default=Path("rows.jsonl"))
    given = parser.parse_args()
    if given.verb == "see":
        see(given.kept)
    elif given.verb == "build":
        build(given.kept, given.folder, given.points, given.dim)
    else:
        ask(given.folder, given.to)


if __name__ == "__main__":
    main()
