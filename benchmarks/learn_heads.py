"""Heads on frozen features under difficulty: wrong labels. Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/learn_heads.py --work DIR

The first step of the ladder of catalog adaptation, two views a photo, fitted on `train`. Wrong labels are drawn
evenly from the other classes. Reported are the photos of `val` against 81 studio pictures, mean and deviation over
seeds.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from learn_data import frozen, grocery, labels_of, spread
from numpy.typing import NDArray
from torch import nn

from snapfind.encoders.adapters.fit import fit as fit_adapter
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Vectors
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.training.data.batches import make_batches
from snapfind.training.data.feature_cache import FeatureCache
from snapfind.training.initialization import drop_suspect_labels, encode_samples, initialize_heads
from snapfind.training.loop import train
from snapfind.training.methods.catalog_adaptation import LADDER
from snapfind.training.models.adaptation import ProductRecognizer
from snapfind.training.weight_interpolation import append_closed_form


def learned(source: FeatureCache, photos: NDArray[np.int64], seed: int, *, purify: bool) -> ProductRecognizer:
    """Heads."""
    step = LADDER["heads"]
    seen = encode_samples(nn.Identity(), source, np.zeros(len(source.products), bool), photos)
    seen = drop_suspect_labels(seen) if purify else seen
    learner = ProductRecognizer(nn.Identity(), *initialize_heads(seen, 81, step.dim, seed), step.config)
    none, rows = np.zeros(len(source.products), bool), seen.rows[seen.queries]
    batch, steps = make_batches(source, none, rows, size=step.batch, seed=seed)
    found = train(learner, batch, steps, replace(step.training, seed=seed)).module
    assert isinstance(found, ProductRecognizer)
    found.heads = append_closed_form(found.heads, seen)
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    data = grocery()
    train_maps, val = frozen(data.train, given.work, "train", 2), frozen(data.val, given.work, "val")
    studio, labels = frozen(data.studio, given.work, "studio", 2), labels_of(data.train)
    kept = np.concatenate([np.asarray(train_maps.features), np.asarray(studio.features)])
    asked, there = (np.asarray(side.features[:, 0], np.float32) for side in (val, studio))

    def right(photos: Vectors, pictures: Vectors) -> float:
        return float(((photos @ pictures.T).argmax(1) == val.products).mean())

    def found(learner: ProductRecognizer) -> float:
        sides = (learner.vectors(torch.from_numpy(s), query=q).numpy() for s, q in ((asked, True), (there, False)))
        return right(*sides)

    raw = right(unit(asked), unit(there))
    adapter = fit_adapter([one.load() for one in data.studio], Builtin.load())
    closed = right(adapter.project(asked, "query"), adapter.project(there, "document"))
    print(
        f"n = {len(asked)} photos of `val`, {given.seeds} seeds\n\n| encoder | learned from | recall@1 |\n|---|---|---|"
    )
    print(
        f"| raw | nothing | {raw:.3f} |\n| closed-form adapter | studio pictures, photographed again | {closed:.3f} |"
    )
    places = np.arange(len(labels))
    for part, purify in ((0.0, False), (0.0, True), (0.2, False), (0.2, True)):
        values = []
        for seed in range(given.seeds):
            rng = np.random.default_rng([7, seed])
            wrong = (labels + rng.integers(1, 81, len(labels))) % 81
            noisy = np.concatenate([np.where(rng.random(len(labels)) < part, wrong, labels), studio.products])
            source = FeatureCache(kept, noisy, np.arange(len(kept)) < len(labels))
            values.append(found(learned(source, places, seed, purify=purify)))
        name = f"{part:.0%} wrong labels, purity filter {'on' if purify else 'off'}"
        print(f"| heads | {name} | {spread(values)} |", flush=True)


if __name__ == "__main__":
    main()
