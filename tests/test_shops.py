"""A fixed sample of benchmarks/shops.py with floors: the defaults must hold on every kind of shop."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

import snapfind

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"

# Values of the defaults minus .04 to .10. With regions="subject" clothes are below .6.
FLOORS = {
    "groceries": {"photo → product": 0.24},
    "clothes": {"photo → category": 0.60, "catalog picture → itself": 0.99},
    "luma": {"back view → model": 0.36},
    "eshop": {"description → product": 0.92, "catalog picture → itself": 0.99},
    "pasted": {"scene → one of its things": 0.56, "marked thing → product": 0.92, "proposed objects": 0.43},
    "coco_mini": {"catalog picture → itself": 0.99, "proposed objects": 0.24},
}
QUERIES = 50


@pytest.fixture(scope="module")
def benchmark(real_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNAPFIND_DATA", str(real_data))
        patch.syspath_prepend(str(BENCHMARKS))
        import shops

        yield shops
    for name in ("shops", "shop_sets"):
        sys.modules.pop(name, None)


def sample_of(shop, folder):
    """A smaller table of a shop, which is added in seconds: fewer clothes, and no long texts for `luma`."""
    with shop.table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if shop.name == "clothes":
        searched = {one.name for task in shop.tasks if "itself" in task.name for one in task.examples[:QUERIES]}
        rows = [row for place, row in enumerate(rows) if place % 16 == 0 or row["id"] in searched]
    names = ["id", "image"] if shop.name == "luma" else list(rows[0])
    table = folder / "sample.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return table


@pytest.mark.parametrize("name", list(FLOORS))
def test_the_defaults_stay_above_their_floors(benchmark, tmp_path, name):
    shop = benchmark.SHOPS[name](tmp_path)
    with snapfind.open(tmp_path / "shop.snap") as catalog:
        catalog.add(sample_of(shop, tmp_path), root=shop.root)
        for task in shop.tasks:
            if task.name not in FLOORS[name]:
                continue
            values, _ = benchmark.measure(catalog, task, task.examples[:QUERIES], {})
            assert len(values) == QUERIES
            assert np.mean(list(values.values())) >= FLOORS[name][task.name], task.name
