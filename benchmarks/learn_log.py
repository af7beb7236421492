"""`snapfind train clicks` as it ships, on grocery: heads from a log alone, no labeled photo. Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/learn_log.py --work DIR

The shop has the 81 studio pictures. Shoppers (training/data/click_simulator.py) send photos of `train` and see the raw
encoder's first 20; the verb gets the log and the studio pictures, photographed again where it needs a photo, as most
shops keep none. Judged on the 296 photos of `val` against the 81 studio pictures: mean and deviation over seeds, which
draw the log and the learning.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from learn_data import frozen, grocery, labels_of, spread
from numpy.typing import NDArray
from simulation.shoppers import Habits, Ranker, Truth, simulate

from snapfind.encoders.arrays import unit
from snapfind.encoders.image.efficientnet import Builtin, Features
from snapfind.training.loop import EpochMetrics
from snapfind.training.methods.clicks import TRAINING, from_log


def fine(
    encoder: Builtin, val: NDArray[np.float32], studio: NDArray[np.float32], own: NDArray[np.int64]
) -> list[float]:
    """recall@1 and recall@5 of frozen features (n, 1280)."""
    none = np.empty((0, 0), np.float32)
    photos, pictures = (
        encoder.project(Features(val, none), "query"),
        encoder.project(Features(studio, none), "document"),
    )
    order = np.argsort(-(photos @ pictures.T), axis=1, kind="stable")[:, :5]
    right = order == own[:, None]
    return [float(right[:, 0].mean()), float(right.any(1).mean())]


def tell(told: EpochMetrics) -> None:
    """Progress."""
    print(f"epoch {told.epoch}/{told.epochs} loss {told.loss:.3f} held out {told.score}", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--searches", type=int, default=4000)
    parser.add_argument("--ids", type=int, default=0, help="Virtual IDs; 0 one for every three products clicked")
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = grocery()
    sides = [frozen(data.train, given.work, "train", 2), frozen(data.val, given.work, "val")]
    train, val, studio = (
        np.asarray(one.features[:, 0], np.float32) for one in (*sides, frozen(data.studio, given.work, "studio", 2))
    )
    shown = [*data.studio, *(replace(one, how="synthetic") for one in data.studio)]
    truth = Truth(labels_of(data.train), np.arange(81), data.coarse)
    found: list[list[float]] = []
    for seed in range(given.seeds):
        log = simulate(Ranker(unit(train) @ unit(studio).T), truth, given.searches, Habits(), seed)
        log = [replace(one, photo=number) for number, one in enumerate(log)]  # as the verb reads it: none is joined
        work, training = given.work / f"log-{seed}", replace(TRAINING, seed=seed)
        done = from_log(shown, log, work / "clicks", work, training=training, count=given.ids, on_epoch=tell)
        found.append(fine(done.encoder, val, studio, labels_of(data.val)))
    print(f"\n{given.searches:,} searches, {given.seeds} seeds\n")
    print("| encoder | recall@1 | recall@5 |\n|---|---|---|")
    raw = fine(Builtin.load(), val, studio, labels_of(data.val))
    print(f"| raw | {raw[0]:.3f} | {raw[1]:.3f} |")
    print(f"| `train clicks` | {' | '.join(spread(own) for own in zip(*found))} |")


if __name__ == "__main__":
    main()
