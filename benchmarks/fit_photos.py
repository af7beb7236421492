"""What do shoppers' photos bring to `model fit`, without labels and with some? Prints two tables in Markdown.

    SNAPFIND_DATA=... python benchmarks/fit_photos.py        # thirds of train, two fitted to, one asks: for choosing
    SNAPFIND_DATA=... python benchmarks/fit_photos.py --val  # fitted to photos of train, asked with val; reported

Gallery: the 81 studio pictures of `grocery`. Photos of one product that follow each other are nearly the same, so each
product's photos are cut into thirds as they stand. "few asked for": 500 photos of which some products have nearly all.
"54 of 81": 27 products are taken out of the gallery and not out of the photos. "new": the photos are of 54 products,
the other 27 are asked for, all 81 stand in the gallery. Labels are of photos drawn from each product. Three drawings
each; means and deviations.
"""

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from photo_to_studio import Grocery

from snapfind.encoders.adapter import Adapter
from snapfind.encoders.adapters.closed_form import solve
from snapfind.encoders.adapters.fit import _extract
from snapfind.encoders.adapters.semi_supervised import fit_semi_supervised
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Vectors
from snapfind.encoders.image.efficientnet import Builtin

Rows = NDArray[np.int64]
COUNTS = (10, 30, 100, 300, 1000)
LABELS = (1, 2, 5, 10, 1000)


class Case(NamedTuple):
    """Rows of photos to fit to, products of the gallery, and rows of photos to ask with, by the name of the case."""

    name: str
    fitted: Rows
    gallery: Rows
    asked: Rows


def cases(fine: Rows, fitted: Rows, asked: Rows, rng: np.random.Generator) -> Iterator[Case]:
    """One drawing of each case; `fitted` and `asked` are rows of `fine`."""
    every = np.arange(81)
    drawn = rng.permutation(fitted)
    for count in COUNTS:
        yield Case(f"{count:,} photos", drawn[:count], every, asked)
    yield Case("all photos", fitted, every, asked)
    wanted = 1 / (1 + rng.permutation(81)) / np.maximum(np.bincount(fine[fitted], minlength=81), 1)
    chance = wanted[fine[fitted]] / wanted[fine[fitted]].sum()
    yield Case("few asked for", rng.choice(fitted, 500, replace=False, p=chance), every, asked)
    known = np.sort(rng.permutation(81)[:54])
    yield Case("54 of 81", drawn[:600], known, asked[np.isin(fine[asked], known)])
    seen = drawn[np.isin(fine[drawn], known)]
    yield Case("new", seen[:600], every, asked[~np.isin(fine[asked], known)])


def figures(weights: dict[str, Vectors], studio: Vectors, photos: Vectors, wanted: Rows) -> tuple[float, float]:
    """recall@1 and recall@5 of those photos against those pictures."""
    adapter = Adapter("", weights)
    order = np.argsort(-(adapter.project(photos, "query") @ adapter.project(studio, "document").T), axis=1)
    return float((order[:, 0] == wanted).mean()), float((order[:, :5] == wanted[:, None]).any(axis=1).mean())


def folds(fine: Rows, val: bool, count: int) -> Iterator[tuple[Rows, Rows]]:
    """Rows to fit to and rows to ask with: of train and val, or thirds of train. `count` rows are of train."""
    if val:
        yield from [(np.arange(count), np.arange(count, len(fine)))] * 3
        return
    third = np.zeros(count, np.int64)
    for product in range(81):
        own = np.flatnonzero(fine[:count] == product)
        third[own] = np.arange(len(own)) * 3 // max(len(own), 1)
    for place in range(3):
        yield np.flatnonzero(third != place), np.flatnonzero(third == place)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--val", action="store_true", help="ask with the photos that are reported on")
    given = parser.parse_args()
    encoder = Builtin.load("lite0")
    train = Grocery("train", every=1)
    sets = [train, Grocery("val")] if given.val else [train]
    photos = np.concatenate([unit(encoder.extract_features(one.photos).pooled) for one in sets])
    fine = np.concatenate([one.fine for one in sets])
    studio, made, _ = _extract(train.studio, np.arange(81), encoder, views=24, seed=0, progress=None)
    unlabeled, labeled = Table(), Table()
    for seed, (fitted, asked) in enumerate(folds(fine, given.val, len(train.fine))):
        rng = np.random.default_rng(seed)
        for case in cases(fine, fitted, asked, rng):
            own, own_made, nobody = (
                studio[case.gallery],
                made[case.gallery],
                np.zeros((len(case.fitted), len(case.gallery))),
            )
            wanted = np.searchsorted(case.gallery, fine[case.asked])
            nothing = Adapter.nothing("", studio.shape[1]).weights
            ways = (nothing, solve(own, own_made), fit_semi_supervised(own, own_made, photos[case.fitted], nobody))
            unlabeled.add(case.name, [figures(way, own, photos[case.asked], wanted) for way in ways])
        for count in LABELS:
            told = np.eye(81)[fine[fitted]] * first(fine[fitted], count, rng)[:, None]
            some = told.any(axis=1)
            ways = (
                fit_semi_supervised(studio, made, photos[fitted][some], told[some]),
                fit_semi_supervised(studio, made, photos[fitted], told),
            )
            name = f"{count:,}" if count < 1000 else "all"
            labeled.add(name, [figures(way, studio, photos[asked], fine[asked]) for way in ways])
        for part in (0.2, 0.4):
            told = np.eye(81)[
                np.where(rng.random(len(fitted)) < part, rng.integers(81, size=len(fitted)), fine[fitted])
            ]
            way = fit_semi_supervised(studio, made, photos[fitted], told)
            labeled.add(f"all, {part:.0%} drawn at random", [figures(way, studio, photos[asked], fine[asked])] * 2)
    unlabeled.show("photos without a label", "raw", "`model fit`", "with the photos")
    labeled.show("labeled photos a product", "these alone", "the others beside, without a label")


def first(fine: Rows, count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(m,) True for so many photos of each product, drawn."""
    chosen = np.zeros(len(fine), bool)
    for product in range(81):
        chosen[rng.permutation(np.flatnonzero(fine == product))[:count]] = True
    return chosen


class Table:
    """Rows by name, each of several drawings."""

    def __init__(self) -> None:
        self.rows: dict[str, list[list[float]]] = {}

    def add(self, name: str, figures: list[tuple[float, float]]) -> None:
        """One drawing: recall@1 and recall@5 of each way."""
        self.rows.setdefault(name, []).append([part for way in figures for part in way])

    def show(self, head: str, *ways: str) -> None:
        """Means and deviations."""
        print(f"\n| {head} | {' | '.join(f'{way} | recall@5' for way in ways)} |\n|{'---|' * (2 * len(ways) + 1)}")
        for name, rows in self.rows.items():
            means, deviations = np.mean(rows, 0), np.std(rows, 0, ddof=1)
            print(f"| {name} | {' | '.join(f'{m:.3f} ± {d:.3f}' for m, d in zip(means, deviations))} |")


if __name__ == "__main__":
    main()
