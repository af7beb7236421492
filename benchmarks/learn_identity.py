"""Identity learning (Pailitao-VL, arXiv 2602.13704) on grocery, heads on frozen features. Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/learn_identity.py --work DIR

Fitted on `train` (two views a photo), reported on `val`: a photo against the 81 studio pictures, mean and standard
deviation over seeds. Wrong labels are drawn evenly from the other classes. `--shipped` prints recall@1 and recall@5
of what `snapfind train identity` leaves: the last row, beside a closed form (training/weight_interpolation.py).
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from learn_data import frozen, grocery, labels_of, spread
from numpy.typing import NDArray
from torch import nn

from snapfind.encoders.arrays import unit
from snapfind.training.data.feature_cache import FeatureCache
from snapfind.training.initialization import encode_samples
from snapfind.training.loop import TrainingConfig
from snapfind.training.methods.identity_module import Identity, Stages, learn_identity
from snapfind.training.models.heads import Heads, discriminant_matrix
from snapfind.training.weight_interpolation import append_closed_form

DIM = 256


def joined(train: FeatureCache, studio: FeatureCache, labels: NDArray[np.int64]) -> FeatureCache:
    """Photos with these labels, then studio pictures."""
    kept = np.concatenate([np.asarray(train.features), np.asarray(studio.features)])
    queries = np.arange(len(kept)) < len(labels)
    return FeatureCache(kept, np.concatenate([labels, studio.products]), queries)


def heads(source: FeatureCache) -> Heads:
    """As catalog adaptation begins."""
    rows = unit(np.asarray(source.features[:, 0], np.float32))
    matrix = discriminant_matrix(rows, source.products, DIM)
    return Heads(matrix, rows[source.queries].mean(0), rows[~source.queries].mean(0))


def stages(seed: int, **changes: object) -> Stages:
    """All three, with this seed."""
    base = replace(Stages(), **changes)  # type: ignore[arg-type]
    plans = {name: replace(getattr(base, name), seed=seed) for name in ("contrast", "prototypes", "angles")}
    return replace(base, **plans)  # type: ignore[arg-type]


def right(learner: Identity, val: FeatureCache, studio: FeatureCache, first: int = 1) -> float:
    """recall@1, or @`first`."""
    photos, pictures = (
        learner.vectors(torch.from_numpy(np.asarray(side.features[:, 0], np.float32)), query=query).numpy()
        for side, query in ((val, True), (studio, False))
    )
    order = np.argsort(-(photos @ pictures.T), axis=1, kind="stable")[:, :first]
    return float((studio.products[order] == val.products[:, None]).any(1).mean())


NONE = TrainingConfig(epochs=0)
VARIANTS: dict[str, Callable[[int], Stages]] = {
    "InfoNCE only, 16 epochs": lambda seed: stages(
        seed, contrast=TrainingConfig(epochs=16), prototypes=NONE, angles=NONE, purify=False
    ),
    "prototypes by softmax, no warm start, no margin, 16 epochs": lambda seed: stages(
        seed, contrast=NONE, prototypes=NONE, angles=TrainingConfig(epochs=16), margin=0.0, purify=False
    ),
    "three stages, 4 + 2 + 10 epochs": lambda seed: stages(seed, purify=False),
    "three stages, a quarter of the prototypes in each step": lambda seed: stages(seed, purify=False, part=0.25),
    "three stages, purity filter": stages,
}
NOISY = ("InfoNCE only, 16 epochs", "three stages, 4 + 2 + 10 epochs", "three stages, purity filter")


def shipped(
    train: FeatureCache, val: FeatureCache, studio: FeatureCache, labels: NDArray[np.int64], seeds: int
) -> None:
    """The row of the verb."""
    found, source, photos = [], joined(train, studio, labels), np.arange(len(labels))
    nothing = np.zeros(len(source.products), bool)
    for seed in range(seeds):
        learner, used = learn_identity(nn.Identity(), heads(source), source, photos, 81, stages(seed))
        learner.heads = append_closed_form(learner.heads, encode_samples(learner.body, source, nothing, used))
        found.append([right(learner, val, studio), right(learner, val, studio, 5)])
    cells = " | ".join(spread(own) for own in zip(*found))
    print(f"| encoder | recall@1 | recall@5 |\n|---|---|---|\n| `train identity` | {cells} |")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shipped", action="store_true")
    given = parser.parse_args()
    data = grocery()
    train, val = frozen(data.train, given.work, "train", 2), frozen(data.val, given.work, "val")
    studio, labels = frozen(data.studio, given.work, "studio", 2), labels_of(data.train)
    if given.shipped:
        shipped(train, val, studio, labels, given.seeds)
        return
    print(
        f"n = {len(data.val)} photos of `val`, {given.seeds} seeds\n\n"
        "| method | wrong labels | recall@1 |\n|---|---|---|"
    )
    for part in (0.0, 0.2):
        for name in VARIANTS if not part else NOISY:
            found = []
            for seed in range(given.seeds):
                rng = np.random.default_rng([7, seed])
                wrong = (labels + rng.integers(1, 81, len(labels))) % 81
                source = joined(train, studio, np.where(rng.random(len(labels)) < part, wrong, labels))
                photos = np.arange(len(labels))
                learner, _ = learn_identity(nn.Identity(), heads(source), source, photos, 81, VARIANTS[name](seed))
                found.append(right(learner, val, studio))
            print(f"| {name} | {part:.0%} | {spread(found)} |", flush=True)


if __name__ == "__main__":
    main()
