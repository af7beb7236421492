"""What does a part of the photos teach, chosen or drawn, distilled, or with photos made up? Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/curate_coresets.py --work DIR

The learner is logistic regression on frozen features of the shipped encoder (less their mean, 256 main directions), the
figure the part of the 296 photos of grocery `val` that get their fine class. "drawn" draws the same number of each
class; coresets draw nothing, so they have no deviation over seeds. The difference has a 95 % bootstrap interval over
the photos, against the mean of the drawn sets.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from curate_data import Photos, grocery, looked, opened
from sklearn.linear_model import LogisticRegression

from snapfind.curate.composing import composed
from snapfind.curate.coreset import METHODS, coreset
from snapfind.curate.distil import distil
from snapfind.encoders.vectors import unit
from snapfind.media.cutout import cutout
from snapfind.media.rephotograph import rephotograph

PARTS, DISTILLED = (0.1, 0.2, 0.3, 0.5), (0.1, 0.3)  # distilling takes a minute each
DIM, STRENGTH = 256, 30.0  # C of the regression, the usual middle; not tuned on `val`
VIEWS = 6


def taught(rows: np.ndarray, labels: np.ndarray, asked: Photos, basis: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """(296,) whether each photo of `val` got its class."""
    mean, axes = basis
    learner = LogisticRegression(C=STRENGTH, max_iter=200, tol=1e-3)
    learner.fit((rows - mean) @ axes, labels)
    return learner.predict((unit(asked.features) - mean) @ axes) == asked.labels


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
    cuts = [cutout(picture) for picture in pictures]
    streets = sorted((Path(os.environ["SNAPFIND_DATA"]) / "ccp" / "images").glob("*.jpg"))[:200]
    backs = [opened(file) for file in streets]
    found = {}
    for name in ("composed", "rephotographed"):
        kept = work / f"{name}.npy"
        images = []
        for place, cut in enumerate(cuts if not kept.exists() else ()):
            for view in range(VIEWS):
                rng = np.random.default_rng([15, place, view])
                back = backs[int(rng.integers(len(backs)))]
                images.append(composed(cut, back, rng) if name == "composed" else rephotograph(cut, rng, cuts[:64]))
        found[name] = unit(looked(images, kept)), np.repeat(grocery("studio", work).labels, VIEWS)
    return found


def main() -> None:
    """The tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    train, val = grocery("train", given.work), grocery("val", given.work)
    rows, labels = unit(train.features), train.labels
    mean = rows.mean(axis=0)
    basis = mean, np.linalg.eigh((rows - mean).T @ (rows - mean))[1][:, -DIM:] * np.float32(10)
    whole = taught(rows, labels, val, basis)
    print(f"All {len(labels):,} photos of `train`: {whole.mean():.3f} on the 296 of `val`\n")
    print("| part | chosen by | val | less the mean of the drawn |\n|---|---|---|---|")
    parts = {}
    for part in PARTS:
        parts[part] = [taught(rows[kept], labels[kept], val, basis) for kept in each(labels, part, given.seeds)]
        print(f"| {part:.0%} | drawn, {given.seeds} seeds | {spread(parts[part])} | |")
        for method in METHODS:
            kept = coreset(rows, labels, part, method)
            found = taught(rows[kept], labels[kept], val, basis)
            print(f"| {part:.0%} | {method} | {found.mean():.3f} | {difference(found, parts[part])} |", flush=True)
        if part not in DISTILLED:
            continue
        made = [distil(rows, labels, kept, seed=seed) for seed, kept in enumerate(each(labels, part, 3))]
        found_by = [taught(one.vectors, one.labels, val, basis) for one in made]
        gain = difference(np.mean(found_by, axis=0), parts[part])
        print(f"| {part:.0%} | distilled, begun as drawn, 3 seeds | {spread(found_by)} | {gain} |", flush=True)
    synthetic(rows, labels, val, basis, given)


def synthetic(rows: np.ndarray, labels: np.ndarray, val: Photos, basis: tuple, given: argparse.Namespace) -> None:
    """The table of made-up photos."""
    print(f"\n{VIEWS} made-up photos of each studio picture added to drawn photos:\n")
    print("| photos | made up | val | difference |\n|---|---|---|---|")
    extra = made_up(given.work)
    for count in (0, 1, 3, 10):
        kept = [few(labels, count, seed) for seed in range(given.seeds)]
        before = [taught(rows[own], labels[own], val, basis) for own in kept] if count else []
        if before:
            print(f"| {count} a class | none | {spread(before)} | |")
        for name, (vectors, classes) in extra.items():
            after = [
                taught(np.concatenate([rows[own], vectors]), np.concatenate([labels[own], classes]), val, basis)
                for own in (kept if count else kept[:1])
            ]
            told = spread(after) if count else f"{after[0].mean():.3f}"
            gain = difference(np.mean(after, axis=0), before) if before else ""
            print(f"| {count} a class | {name} | {told} | {gain} |", flush=True)


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
