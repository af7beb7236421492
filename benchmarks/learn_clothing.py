"""Catalog adaptation on clothing: learned from `train`, accuracy@1 on the 341 photos of `validation`. Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/learn_clothing.py --depth heads blocks --work DIR

Ten classes stand for products. There are no studio pictures: the photo of `train` nearest to the mean of its class
stands for it. accuracy@1 of the nearest photo of `train`, of the nearest class mean (both by the query side), and of
that one picture a class. Logistic regression on raw features stands beside as the plain classifier. Intervals are 95 %
bootstrap. `--work` keeps maps and checkpoints.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from learn_data import clothing, figure, labels_of
from sklearn.linear_model import LogisticRegression

from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Vectors
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.training.data.augmentation import Sample
from snapfind.training.loop import EpochMetrics
from snapfind.training.methods.catalog_adaptation import LADDER, adapt


def means(vectors: Vectors, labels: np.ndarray) -> Vectors:
    """(classes, dim) unit rows."""
    return unit(np.stack([vectors[labels == number].mean(axis=0) for number in range(labels.max() + 1)]))


def seen(encoder: Builtin, shown: list[Sample]) -> Vectors:
    """(n, dim) by the query side, opened a part at a time."""
    parts = [shown[at : at + 64] for at in range(0, len(shown), 64)]
    return np.concatenate([encoder.images([one.load() for one in part], "query") for part in parts])


def row(name: str, encoder: Builtin, train: list[Sample], asks: list[Sample], typical: list[Sample]) -> None:
    """One line of the table."""
    labels, own, vectors = labels_of(asks), labels_of(train), seen(encoder, asks)
    taken = seen(encoder, train)
    one_each = encoder.images([one.load() for one in typical], "document")
    nearest = own[(vectors @ taken.T).argmax(axis=1)]
    cells = [figure(found == labels) for found in (nearest, (vectors @ means(taken, own).T).argmax(axis=1))]
    cells.append(figure((vectors @ one_each.T).argmax(axis=1) == labels))
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def tell(told: EpochMetrics) -> None:
    """Progress."""
    print(f"epoch {told.epoch}/{told.epochs} loss {told.loss:.3f} held out {told.score}", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", nargs="+", choices=LADDER, default=["heads"])
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    train, asks, raw = clothing("train"), clothing("validation"), Builtin.load()
    vectors, labels = seen(raw, train), labels_of(train)
    central = means(vectors, labels)
    places = [int(np.where(labels == kind, vectors @ mean, -2).argmax()) for kind, mean in enumerate(central)]
    typical = [replace(train[place], how="studio") for place in places]
    print(
        f"n = {len(asks)}\n\n| encoder | nearest photo | nearest class mean | one picture a class |\n|---|---|---|---|"
    )
    plain = LogisticRegression(C=30, max_iter=2000).fit(vectors, labels).predict(seen(raw, asks))
    print(f"| logistic regression on raw features | | {figure(plain == labels_of(asks))} | |", flush=True)
    row("raw", raw, train, asks, typical)
    for depth in given.depth:
        for seed in given.seeds:
            step = replace(LADDER[depth], training=replace(LADDER[depth].training, seed=seed))
            step = replace(step, training=replace(step.training, epochs=given.epochs or step.training.epochs))
            work, used = given.work / f"{depth}-{seed}", time.process_time()
            found = adapt([*train, *typical], work / "artifact", work, depth=depth, step=step, on_epoch=tell)
            minutes = (time.process_time() - used) / 60
            row(f"{depth}, seed {seed}, {minutes:.1f} processor-minutes", found.encoder, train, asks, typical)


if __name__ == "__main__":
    main()
