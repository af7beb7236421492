"""What does a part of the photos teach, chosen or drawn, distilled, or with photos made up? Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/curate_coresets.py --work DIR

The learner is a linear head by ridge regression on frozen features of the shipped encoder (less their mean, in 256 main
directions, unit rows); its penalty is chosen by cross-validation inside `train`, five runs in the order of the files.
The figure is the part of the 296 photos of grocery `val` that get their fine class. "drawn" draws the same number of
each class; coresets draw nothing, so they have no deviation over seeds. The difference has a 95 % bootstrap interval
over the photos, against the mean of the drawn sets.
"""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from curate_data import Photos, grocery, looked, opened
from sklearn.linear_model import RidgeClassifier

from snapfind.curation.datasets.compose import compose_photo
from snapfind.curation.datasets.coreset import METHODS, select_coreset
from snapfind.curation.datasets.distillation import distill
from snapfind.curation.detect.folds import contiguous
from snapfind.encoders.arrays import unit
from snapfind.media.image.background import cut_out_product
from snapfind.media.image.photo_simulation import simulate_photo

PARTS, DISTILLED = (0.1, 0.2, 0.3, 0.5), (0.1, 0.3)
DIM, PENALTIES = 256, (0.03, 0.1, 0.3, 1.0, 3.0)
VIEWS = 6


@dataclass(frozen=True)
class Task:
    """Unit rows of `train` and `val` in the main directions of `train`, their classes, and the learner's penalty."""

    rows: np.ndarray
    labels: np.ndarray
    asked: np.ndarray
    truth: np.ndarray
    basis: tuple[np.ndarray, np.ndarray]
    penalty: float = 1.0

    @classmethod
    def of(cls, train: Photos, val: Photos) -> "Task":
        """The penalty with the best part right, over five runs of `train`."""
        rows = unit(train.features)
        centered = rows - rows.mean(axis=0)
        basis = rows.mean(axis=0), np.linalg.eigh(centered.T @ centered)[1][:, -DIM:]
        sides = [turned(photos.features, basis) for photos in (train, val)]
        folds = contiguous(train.labels, 5)

        def right(penalty: float) -> float:
            own = [folds == fold for fold in range(5)]
            tries = [
                fitted(sides[0][~one], train.labels[~one], penalty).score(sides[0][one], train.labels[one])
                for one in own
            ]
            return float(np.mean(tries))

        return cls(sides[0], train.labels, sides[1], val.labels, basis, max(PENALTIES, key=right))

    def taught(self, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """(296,) whether each photo of `val` got its class."""
        return fitted(rows, labels, self.penalty).predict(self.asked) == self.truth


def turned(features: np.ndarray, basis: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Unit rows in the main directions."""
    return unit((unit(features) - basis[0]) @ basis[1])


def fitted(rows: np.ndarray, labels: np.ndarray, penalty: float) -> RidgeClassifier:
    """The head; every class counts the same."""
    return RidgeClassifier(alpha=penalty, class_weight="balanced").fit(rows, labels)


def drawn(labels: np.ndarray, part: float, seed: int) -> np.ndarray:
    """Rows: as many of each class as a coreset has."""
    rng = np.random.default_rng([14, seed])
    kept = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        kept.append(rng.permutation(rows)[: max(1, round(part * len(rows)))])
    return np.sort(np.concatenate(kept))


def difference(chosen: np.ndarray, others: list[np.ndarray]) -> str:
    """Chosen less the mean of the drawn, with its interval over photos."""
    gain = chosen.astype(float) - np.mean(others, axis=0)
    draws = np.random.default_rng(0).integers(len(gain), size=(2000, len(gain)))
    low, high = np.quantile(gain[draws].mean(axis=1), (0.025, 0.975))
    return f"{gain.mean():+.3f} ({low:+.3f} to {high:+.3f})"


def spread(values: list[np.ndarray]) -> str:
    """Mean and deviation over seeds."""
    means = [value.mean() for value in values]
    return f"{np.mean(means):.3f} ± {np.std(means, ddof=1):.3f}"


def made_up(work: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Features and classes of photos made of the studio pictures: two ways, six views each."""
    pictures = [opened(file) for file in grocery("studio", work).files]
    cuts = [cut_out_product(picture) for picture in pictures]
    streets = sorted((Path(os.environ["SNAPFIND_DATA"]) / "ccp" / "images").glob("*.jpg"))[:200]
    backs = [opened(file) for file in streets]
    found = {}
    for name in ("composed", "synthetic"):
        kept = work / f"{name}.npy"
        images = []
        for place, cut in enumerate(cuts if not kept.exists() else ()):
            for view in range(VIEWS):
                rng = np.random.default_rng([15, place, view])
                back = backs[int(rng.integers(len(backs)))]
                images.append(
                    compose_photo(cut, back, rng) if name == "composed" else simulate_photo(cut, rng, cuts[:64])
                )
        found[name] = looked(images, kept), np.repeat(grocery("studio", work).labels, VIEWS)
    return found


def main() -> None:
    """The tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    task = Task.of(grocery("train", given.work), grocery("val", given.work))
    rows, labels = task.rows, task.labels
    whole = task.taught(rows, labels)
    print(f"All {len(labels):,} photos of `train`: {whole.mean():.3f} on the 296 of `val`; penalty {task.penalty}\n")
    print("| part | chosen by | val | less the mean of the drawn |\n|---|---|---|---|")
    for part in PARTS:
        chosen = each(labels, part, given.seeds)
        before = [task.taught(rows[kept], labels[kept]) for kept in chosen]
        print(f"| {part:.0%} | drawn | {spread(before)} | |")
        for method in METHODS:
            kept = select_coreset(rows, labels, part, method)
            found = task.taught(rows[kept], labels[kept])
            print(f"| {part:.0%} | {method} | {found.mean():.3f} | {difference(found, before)} |", flush=True)
    synthetic(task, given)
    distilled(task, given)


def synthetic(task: Task, given: argparse.Namespace) -> None:
    """The table of made-up photos."""
    rows, labels = task.rows, task.labels
    print(f"\n{VIEWS} made-up photos of each studio picture added to drawn photos:\n")
    print("| photos | made up | val | difference |\n|---|---|---|---|")
    extra = {name: (turned(seen, task.basis), own) for name, (seen, own) in made_up(given.work).items()}
    for count in (0, 1, 3, 10):
        kept = [few(labels, count, seed) for seed in range(given.seeds if count else 1)]
        before = [task.taught(rows[own], labels[own]) for own in kept] if count else []
        if before:
            print(f"| {count} a class | none | {spread(before)} | |")
        for name, (vectors, classes) in extra.items():
            both = [(np.concatenate([rows[own], vectors]), np.concatenate([labels[own], classes])) for own in kept]
            after = [task.taught(*one) for one in both]
            told = spread(after) if count else f"{after[0].mean():.3f}"
            gain = difference(np.mean(after, axis=0), before) if before else ""
            print(f"| {count} a class | {name} | {told} | {gain} |", flush=True)


def distilled(task: Task, given: argparse.Namespace) -> None:
    """The table of distilled sets."""
    rows, labels = task.rows, task.labels
    print("\nDistilled from all of `train`, begun as drawn rows, against these rows:\n")
    print("| part | val, drawn | val, distilled | difference | loss, before and after |\n|---|---|---|---|---|")
    for part in DISTILLED:
        chosen = each(labels, part, given.seeds)
        before = [task.taught(rows[kept], labels[kept]) for kept in chosen]
        made = [distill(rows, labels, kept, seed=seed) for seed, kept in enumerate(chosen)]
        after = [task.taught(one.vectors, one.labels) for one in made]
        losses = " to ".join(f"{np.mean([one.losses[end] for one in made]):.1f}" for end in (0, 1))
        gain = difference(np.mean(after, axis=0), before)
        print(f"| {part:.0%} | {spread(before)} | {spread(after)} | {gain} | {losses} |", flush=True)


def each(labels: np.ndarray, part: float, seeds: int) -> list[np.ndarray]:
    """The drawn rows of every seed."""
    return [drawn(labels, part, seed) for seed in range(seeds)]


def few(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` rows of each class, drawn."""
    rng = np.random.default_rng([16, seed])
    chosen = [rng.permutation(np.flatnonzero(labels == label))[:count] for label in np.unique(labels)]
    return np.concatenate(chosen).astype(int)


if __name__ == "__main__":
    main()
