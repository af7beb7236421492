"""One photo query, end to end, at 81 and at 100,000 indexed pictures, against decoding and encoding alone.

    SNAPFIND_DATA=… python benchmarks/query_latency.py [--queries 150] [--points 100000]

The large catalog is the small one with synthetic vectors added: real vectors of the catalog, each with noise of the
spectrum of their differences, so that neighborhoods are as dense as real ones. One query at a time, one process; the
photos are the same in every row and the rows take turns query by query.
"""

import argparse
import csv
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np

import snapfind
from snapfind.index.base import Point
from snapfind.media.image.decode import Limits, load


def small_shop(data: Path, folder: Path) -> snapfind.Catalog:
    """The 81 studio pictures."""
    table = folder / "products.csv"
    with (data / "classes.csv").open() as file, table.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["id", "title", "category", "picture"])
        for name, _, coarse, _, picture, _ in list(csv.reader(file))[1:]:
            writer.writerow([name, name, coarse, picture])
    shop = snapfind.open(folder / "shop.snap")
    shop.add(table, root=data)
    return shop


def grow(shop: snapfind.Catalog, points: int) -> float:
    """Add synthetic pictures and build the graph; seconds it took."""
    begin = time.perf_counter()
    space = shop.model.photo.space.id
    real = np.stack([point.vectors[space] for point in shop.index.scroll(limit=1000, vectors=True).points])
    rng = np.random.default_rng(0)
    for start in range(0, points, 1000):
        pairs = rng.integers(len(real), size=(2, min(1000, points - start)))
        weight = rng.uniform(0, 1, (pairs.shape[1], 1))
        vectors = real[pairs[0]] * (1 - weight) + real[pairs[1]] * weight
        vectors += rng.normal(0, 0.3 / np.sqrt(real.shape[1]), vectors.shape)
        vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        names = [f"synthetic-{start + row}" for row in range(len(vectors))]
        shop.index.upsert(
            [
                Point(str(uuid.uuid5(uuid.NAMESPACE_OID, name)), {space: vector}, "", _payload(name))
                for name, vector in zip(names, vectors)
            ]
        )
    shop.optimize()
    return time.perf_counter() - begin


def _payload(name: str) -> dict[str, object]:
    return {"_product": name, "_picture": name, "_primary": True, "_hash": "", "_width": 1, "_height": 1, "title": name}


def timed(call: Callable[[], object]) -> float:
    """Milliseconds."""
    begin = time.perf_counter()
    call()
    return (time.perf_counter() - begin) * 1000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=150)
    parser.add_argument("--points", type=int, default=100_000)
    args = parser.parse_args()
    data = Path(os.environ["SNAPFIND_DATA"]) / "grocery"
    photos = [data / line.split(",")[0] for line in (data / "val.txt").read_text().splitlines()][: args.queries]
    with (
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as two,
        small_shop(data, Path(one)) as small,
        small_shop(data, Path(two)) as large,
    ):
        print(f"growing took {grow(large, args.points):.0f} s", file=sys.stderr)
        limits, encoder = Limits.of(small.settings), small.model.photo

        def bare(photo: Path) -> object:
            return encoder.images([load(photo, limits, side=encoder.preprocessing.side)], "query")

        rows: dict[str, list[float]] = {"decode and encode alone": [], "81 pictures": [], "100,081 pictures": []}
        calls: list[Callable[[Path], object]] = [bare, small.search, large.search]
        for photo in [*photos[:10], *photos]:
            for name, call in zip(rows, calls):
                rows[name].append(timed(lambda call=call, photo=photo: call(photo)))
    base = statistics.median(rows["decode and encode alone"][10:])
    print("| one photo query | median, ms | p95, ms | of decode and encode |")
    print("|---|---|---|---|")
    for name, times in rows.items():
        kept = sorted(times[10:])
        median = statistics.median(kept)
        print(f"| {name} | {median:.1f} | {kept[int(0.95 * len(kept))]:.1f} | {median / base:.2f} |")


if __name__ == "__main__":
    main()
