"""One table over all kinds of shops: what the defaults of the product find. Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/shops.py --work DIR                          # defaults, as installed
    SNAPFIND_DATA=... python benchmarks/shops.py --work DIR --fit                    # after `snapfind model fit`
    SNAPFIND_DATA=... python benchmarks/shops.py --work DIR --set regions=whole      # another search option
    SNAPFIND_DATA=... python benchmarks/shops.py --work DIR --save a.json            # values of each query
    SNAPFIND_DATA=... python benchmarks/shops.py --work DIR --against a.json         # paired difference to such a run
    SNAPFIND_DATA=... python benchmarks/shops.py --work DIR --part chosen            # for choosing a default

The first half of at most 300 queries of each task is for choosing defaults. Everything else is reported.

Catalogs are built once into DIR and reused. Queries are drawn by a fixed seed. Nothing is fitted to them. Groceries
are photos of the split `train`, which nothing here is fitted to. Intervals: 95 %, bootstrap over queries. Milliseconds
include decoding and depend on the machine. "encodes" is the number of pictures that the network encodes per query.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from shop_sets import SHOPS, Example, Shop, Task, answered

import snapfind
from snapfind.core.query import Query
from snapfind.core.types import Box
from snapfind.evaluation.report import Figure

_CHOSEN = 300

Values = dict[str, dict[str, float]]


def open_shop(shop: Shop, work: Path, fit: bool) -> snapfind.Catalog:
    """Open the catalog of a shop. Add its table if it is new, and fit its model if asked."""
    folder = work / f"{shop.name}{'-fitted' if fit else ''}.snap"
    catalog = snapfind.open(folder)
    if not len(catalog):
        print(f"{shop.name}: adding {shop.table.name}", file=sys.stderr)
        catalog.add(shop.table, root=shop.root)
        if fit:
            catalog.models.fit()
    return catalog


@contextmanager
def counted(catalog: snapfind.Catalog) -> Iterator[list[int]]:
    """Count the pictures that the network encodes."""
    encoder: Any = catalog.model.photo
    counts: list[int] = []
    extract, map_of = encoder.extract_features, encoder.extract_feature_map
    encoder.extract_features = lambda images: counts.append(len(images)) or extract(images)
    encoder.extract_feature_map = lambda image: counts.append(1) or map_of(image)
    try:
        yield counts
    finally:
        del encoder.extract_features, encoder.extract_feature_map


def measure(
    catalog: snapfind.Catalog, task: Task, queries: Sequence[Example], options: dict[str, str]
) -> tuple[dict[str, float], float]:
    """Value of each query of a task, 0..1, and the median milliseconds of a query."""
    values, spent = {}, []
    for example in queries:
        begin = time.perf_counter()
        values[example.name] = value_of(catalog, example, task.metric, options)
        spent.append(time.perf_counter() - begin)
    return values, 1000 * float(np.median(spent))


def part_of(examples: Sequence[Example], part: str, limit: int) -> Sequence[Example]:
    """Return the queries of a part: "chosen" for choosing defaults, "reported", or "all"."""
    half = min(_CHOSEN, len(examples)) // 2
    chosen = {"chosen": examples[:half], "reported": examples[half:], "all": examples}[part]
    return chosen[:limit]


def value_of(catalog: snapfind.Catalog, example: Example, metric: str, options: dict[str, str]) -> float:
    """Value of one query."""
    if metric == "objects":
        found = [region.box for region in catalog.regions(example.query.terms[0].photo)]
        return float(np.mean([any(iou(box, other) >= 0.5 for other in found) for box in example.boxes]))
    if metric == "no background":
        background = np.asarray(Image.open(example.mask)) == 0
        found = [region.box for region in catalog.regions(example.query.terms[0].photo)]
        return float(np.mean([is_foreground(box, background) for box in found])) if found else 1.0
    depth = int(metric.partition("@")[2])
    query: Query = replace(example.query, **options)
    return answered(example, catalog.search(query, limit=depth + 1), depth)


def is_foreground(box: Box, background: np.ndarray) -> bool:
    """Tell whether at most .8 of a box is background."""
    height, width = background.shape
    left, top, right, bottom = box.pixels(width, height)
    return bool(background[top:bottom, left:right].mean() <= 0.8)


def iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    inside = max(width, 0.0) * max(height, 0.0)
    return inside / (one.area + other.area - inside)


def paired(values: dict[str, float], before: dict[str, float]) -> str:
    """Mean difference on the common queries, with its interval."""
    common = [name for name in values if name in before]
    if not common:
        return ""
    differences = np.array([values[name] - before[name] for name in common])
    rng = np.random.default_rng(0)
    means = [differences[rng.integers(0, len(common), len(common))].mean() for _ in range(2000)]
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{differences.mean():+.3f} ({low:+.3f} to {high:+.3f})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--shops", nargs="+", choices=list(SHOPS), default=list(SHOPS))
    parser.add_argument("--limit", type=int, default=300, help="queries of a task")
    parser.add_argument("--part", choices=["reported", "chosen", "all"], default="reported")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--set", nargs="+", default=[], metavar="OPTION=VALUE", help="options of the search")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--against", type=Path)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    options = dict(one.split("=", 1) for one in args.set)
    before: Values = json.loads(args.against.read_text()) if args.against else {}
    saved: Values = {}
    difference = " difference |" if before else ""
    print(f"| shop | query | metric | n | value | encodes | ms |{difference}")
    print("|---" * (8 if before else 7) + "|")
    for name in args.shops:
        shop = SHOPS[name](args.work)
        with open_shop(shop, args.work, args.fit) as catalog:
            for task in shop.tasks:
                with counted(catalog) as counts:
                    values, spent = measure(catalog, task, part_of(task.examples, args.part, args.limit), options)
                key = f"{name} / {task.name} / {task.metric}"
                saved[key] = values
                more = f" {paired(values, before[key])} |" if key in before else " |" if before else ""
                print(
                    f"| {name} | {task.name} | {task.metric} | {len(values)} | {Figure.of(list(values.values()))} | "
                    f"{sum(counts) / max(len(values), 1):.1f} | {spent:.0f} |{more}",
                    flush=True,
                )
    if args.save:
        args.save.write_text(json.dumps(saved))


if __name__ == "__main__":
    main()
