"""Are bad pictures found, and only they? Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/curate_faults.py --work DIR

Among the photos of grocery `train` some are spoiled (1.2 % each blurred, tiny, written over, a collage, and replaced
by a garment of clothing `train`) by other means than those that the detectors learn from (curate_data.py,
curation/detect/corruptions.py). Thresholds were chosen on the even-numbered classes, the table is of the odd ones;
mean and deviation over seeds. "anything" counts a spoiled photo as found under whatever name.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from curate_data import SIDE, faulty, grocery, half, looked, opened

from snapfind.curation.detect.corruptions import CORRUPTIONS, corrupt
from snapfind.curation.detect.image_faults import faults
from snapfind.curation.detect.outliers import find_outliers
from snapfind.encoders.arrays import unit

KINDS = (*CORRUPTIONS, "garment")
PART, LEARNED = 0.012, 96


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--odd", type=int, default=1, help="0: the classes that thresholds were chosen on")
    given = parser.parse_args()
    photos = half(grocery("train", given.work), given.odd)
    garments = sorted((Path(os.environ["SNAPFIND_DATA"]) / "clothing" / "train").rglob("*.jpg"))
    figures: dict[str, list[tuple[float, float]]] = {kind: [] for kind in (*KINDS, "anything")}
    for seed in range(given.seeds):
        rng = np.random.default_rng([13, seed])
        order = rng.permutation(len(photos.files))
        each = round(PART * len(order))
        others = [opened(photos.files[row]) for row in order[-12:]]
        vectors, truth = unit(photos.features), {}
        for place, kind in enumerate(KINDS):
            rows = order[place * each : (place + 1) * each]
            images = [
                opened(garments[int(rng.integers(len(garments)))])
                if kind == "garment"
                else faulty(opened(photos.files[row]), kind, rng, others)
                for row in rows
            ]
            vectors[rows] = unit(looked(images))
            truth |= {int(row): kind for row in rows}
        learned = [opened(photos.files[row]) for row in rng.permutation(len(order))[:LEARNED]]
        for image in learned:
            image.thumbnail((SIDE, SIDE))
        before = unit(looked(learned))
        pairs = {
            kind: (before, unit(looked([corrupt(image, kind, rng, learned) for image in learned])))
            for kind in CORRUPTIONS
        }
        told = {one.row: one.kind for one in faults(vectors, pairs)}
        lonely = {row for row, _ in find_outliers(vectors, np.arange(len(vectors)))}
        told |= {row: "garment" for row in lonely if row not in told}
        for kind in KINDS:
            own = {row for row, how in truth.items() if how == kind}
            named = {row for row, how in told.items() if how == kind}
            figures[kind].append((len(own & set(told)) / len(own), len(named & set(truth)) / max(len(named), 1)))
        figures["anything"].append((len(set(told) & set(truth)) / len(truth), len(set(told) & set(truth)) / len(told)))
    print(f"{len(photos.files):,} photos, {each} of each fault, {given.seeds} seeds\n")
    print("| fault | recall, under any name | precision: of those so named, spoiled |\n|---|---|---|")
    for kind, values in figures.items():
        cells = (f"{np.mean(part):.3f} ± {np.std(part, ddof=1):.3f}" for part in zip(*values))
        print(f"| {kind} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
