"""Can an encoder learned on `train` tell what the shop does not sell? Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/learn_catalog.py --depth blocks --minutes 35 --work DIR
    SNAPFIND_DATA=... python benchmarks/known_learned.py DIR/blocks-35-0/artifact

27 of the 81 classes are left out of the catalog, in five draws; the encoder has seen photos of all 81 in `train`.
Judged are the photos of `val`, by the cosine of the nearest studio picture and by how far it is ahead of the second.
"""

import sys

import numpy as np
from shop import PICTURES, photos

from snapfind.encoders.image.efficientnet import Builtin
from snapfind.evaluation.calibration import auroc

DRAWS, KEPT = 5, 54


def main() -> None:
    """The table."""
    encoder = Builtin.load(sys.argv[1])
    val = photos(encoder, "val")
    cosines = encoder.project(val.look, "query") @ encoder.project(encoder.extract_features(PICTURES), "document").T
    rng, rows = np.random.default_rng(0), []
    for _ in range(DRAWS):
        kept = np.sort(rng.permutation(len(PICTURES))[:KEPT])
        there = np.isin(val.fine, kept)
        best = np.sort(cosines[:, kept], axis=1)[:, ::-1]
        rows.append([auroc(signs.tolist(), there) for signs in (best[:, 0], best[:, 0] - best[:, 1])])
    (cosine, ahead), (cosine_sd, ahead_sd) = np.mean(rows, axis=0), np.std(rows, axis=0)
    print("| encoder | recall@1, all 81 in the catalog | AUROC by cosine | AUROC by the lead |")
    print("|---|---|---|---|")
    right = float((cosines.argmax(axis=1) == val.fine).mean())
    print(f"| learned | {right:.3f} | {cosine:.3f} ± {cosine_sd:.3f} | {ahead:.3f} ± {ahead_sd:.3f} |")


if __name__ == "__main__":
    main()
