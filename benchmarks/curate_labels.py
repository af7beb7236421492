"""Are wrong labels found? Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/curate_labels.py --work DIR

A tenth of the labels of grocery `train` is made wrong; folds are five runs in the order of the files, so that
photos of one series do not vouch for each other. The margin is chosen on the even-numbered classes (the largest recall
at a precision of .90) and reported on the odd ones, over seeds; mean and deviation. "any class" draws the wrong label
from all classes, "same coarse class" from those a shopkeeper would confuse.
"""

import argparse
from pathlib import Path

import numpy as np
from curate_data import Photos, grocery, half

from snapfind.curation.detect.folds import contiguous
from snapfind.curation.detect.label_errors import wrong_labels
from snapfind.encoders.arrays import unit
from snapfind.training.data.label_filter import agrees_with_neighbors

MARGINS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
PART = 0.1


def mislabeled(photos: Photos, seed: int, *, near: bool) -> np.ndarray:
    """(n,) labels, a tenth of them wrong."""
    rng = np.random.default_rng([11, seed, near])
    count = photos.labels.max() + 1
    coarse = np.array([photos.coarse[photos.labels == label][0] for label in range(count)])
    given = photos.labels.copy()
    for row in np.flatnonzero(rng.random(len(given)) < PART):
        others = [label for label in range(count) if label != given[row]]
        alike = [label for label in others if coarse[label] == coarse[given[row]]] if near else []
        given[row] = rng.choice(alike or others)
    return given


def judged(photos: Photos, given: np.ndarray, folds: np.ndarray, margin: float) -> tuple[float, float, float]:
    """Recall, precision, and the part of those found whose right label was named."""
    wrong = given != photos.labels
    found = wrong_labels(photos.features, given, folds, margin=margin)
    hits = [one for one in found if wrong[one.row]]
    right = np.mean([one.suggested == photos.labels[one.row] for one in hits]) if hits else 0.0
    return len(hits) / wrong.sum(), len(hits) / max(len(found), 1), float(right)


def spread(values: list[float]) -> str:
    """Mean and deviation over seeds."""
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def main() -> None:
    """The tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    photos = grocery("train", given.work)
    even, odd = half(photos, 0), half(photos, 1)
    print("Even-numbered classes, seed 0, wrong labels of any class:\n\n| margin | recall | precision |\n|---|---|---|")
    noisy = mislabeled(even, 0, near=False)
    scores = {margin: judged(even, noisy, contiguous(noisy, 5), margin) for margin in MARGINS}
    for margin, (recall, precision, _) in scores.items():
        print(f"| {margin} | {recall:.3f} | {precision:.3f} |")
    chosen = max((recall, margin) for margin, (recall, precision, _) in scores.items() if precision >= 0.9)[1]
    print(f"\nOdd-numbered classes ({len(odd.labels):,} photos, {odd.labels.max() + 1} classes), margin {chosen}:\n")
    print("| method | wrong labels from | folds | recall | precision | right label named |\n|---|---|---|---|---|---|")
    for near in (False, True):
        kind = "same coarse class" if near else "any class"
        rows = []
        for seed in range(given.seeds):
            noisy = mislabeled(odd, seed, near=near)
            rows.append(judged(odd, noisy, contiguous(noisy, 5), chosen))
        cells = " | ".join(spread([row[place] for row in rows]) for place in range(3))
        print(f"| confident learning | {kind} | runs | {cells} |", flush=True)
        rows = []
        for seed in range(given.seeds):
            noisy = mislabeled(odd, seed, near=near)
            wrong, told = (
                noisy != odd.labels,
                ~agrees_with_neighbors(unit(odd.features - odd.features.mean(axis=0)), noisy),
            )
            rows.append(((wrong & told).sum() / wrong.sum(), (wrong & told).sum() / max(told.sum(), 1)))
        cells = " | ".join(spread([row[place] for row in rows]) for place in range(2))
        print(
            f"| neighbors that share the label (training/data/label_filter.py) | {kind} | none | {cells} | – |",
            flush=True,
        )
    rows = []
    for seed in range(given.seeds):
        noisy = mislabeled(odd, seed, near=False)
        folds = np.random.default_rng(seed).integers(0, 5, len(noisy))
        rows.append(judged(odd, noisy, folds, chosen))
    cells = " | ".join(spread([row[place] for row in rows]) for place in range(3))
    print(f"| confident learning | any class | drawn | {cells} |")


if __name__ == "__main__":
    main()
