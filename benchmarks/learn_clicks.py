"""Virtual IDs from clicks (arXiv 2102.04667) by simulated shoppers over real photos of grocery. Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/learn_clicks.py --work DIR

Every other photo of `train` is an item of the shop, the rest are sent by shoppers who see the raw encoder's list.
Nobody knows a class; reported is how often the nearest item of a `val` photo has its class, and the normalised mutual
information of Virtual IDs (100 clusters) with the hidden classes. Mean and standard deviation over seeds.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from learn_data import frozen, grocery, spread
from numpy.typing import NDArray
from sklearn.metrics import normalized_mutual_info_score

from snapfind.encoders.vectors import unit
from snapfind.learn.clicks import ClickLearner, Weights, clean_triplets, click_batches, virtual_ids
from snapfind.learn.heads import Heads
from snapfind.learn.margins import Prototypes
from snapfind.learn.shopper import Habits, simulate
from snapfind.learn.training import Plan, train

COUNT, DIM, STEPS_OF = 100, 128, 64
PLAN = Plan(epochs=8, rate=1e-3)
METHODS = {
    "triplets of clicks": Weights(classes=0, lists=0),
    "Virtual IDs": Weights(triplets=0, lists=0),
    "Virtual IDs + triplets": Weights(lists=0),
    "Virtual IDs + triplets + lists": Weights(),
}
Rows = NDArray[np.float32]


def directions(rows: Rows) -> Rows:
    """(width, DIM) in which the features differ most: no label is used."""
    centred = rows - rows.mean(0)
    return np.ascontiguousarray(np.linalg.eigh(centred.T @ centred)[1][:, -DIM:])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--searches", type=int, nargs="*", default=[1000, 4000, 16000])
    given = parser.parse_args()
    data = grocery()
    train_maps, val_maps = frozen(data.train, given.work, "train", 2), frozen(data.val, given.work, "val")
    rows = unit(np.asarray(train_maps.kept[:, 0], np.float32))
    items, photos, val = rows[::2], rows[1::2], unit(np.asarray(val_maps.kept[:, 0], np.float32))
    item_class, photo_class = train_maps.products[::2], train_maps.products[1::2]
    scores, first = photos @ items.T, directions(rows)
    raw = (item_class[(val @ items.T).argmax(1)] == val_maps.products).mean()
    print(f"{len(items)} items, {len(photos)} shoppers' photos, n = {len(val)} photos of `val`; raw: {raw:.3f}\n")
    print(f"| searches | NMI of Virtual IDs | {' | '.join(METHODS)} |\n|---|---|{'---|' * len(METHODS)}")
    for count in given.searches:
        agreements: list[float] = []
        found: dict[str, list[float]] = {name: [] for name in METHODS}
        for seed in range(given.seeds):
            log = simulate(scores, photo_class, item_class, data.coarse, count, Habits(), seed)
            ids = virtual_ids(log, len(photos), len(items), COUNT, seed=seed)
            known = ids[0] >= 0
            agreements.append(normalized_mutual_info_score(item_class[known], ids[0][known]))
            triplets = clean_triplets(log, photos, items, ids[0])
            batch, steps = click_batches(log, (photos, items), ids, triplets, size=STEPS_OF, seed=seed)
            for name, weights in METHODS.items():
                torch.manual_seed(seed)
                learner = ClickLearner(
                    Heads(first, rows.mean(0), rows.mean(0)), Prototypes(torch.randn(COUNT, DIM)), weights
                )
                plan = replace(PLAN, seed=seed)
                best = train(learner, batch, min(steps, 60), plan).module
                assert isinstance(best, ClickLearner)
                with torch.no_grad():
                    asked, there = (
                        best.heads(torch.from_numpy(side), torch.full((len(side),), query)).numpy()
                        for side, query in ((val, True), (items, False))
                    )
                found[name].append(float((item_class[(asked @ there.T).argmax(1)] == val_maps.products).mean()))
        line = " | ".join(spread(found[name]) for name in METHODS)
        print(f"| {count:,} | {spread(agreements)} | {line} |", flush=True)


if __name__ == "__main__":
    main()
