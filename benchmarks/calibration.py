"""Fit the shipped calibration of photo searches on `train` photos and say how true it is on `val`. Prints Markdown.

    SNAPFIND_DATA=… python benchmarks/calibration.py

For the raw and for the fitted space of the 81 studio pictures: cosines of the ten nearest products of each photo, a
logistic model on cosine and margin fitted on `train` (2,640 photos of shoppers, one shop: small data), and on `val` the
expected calibration error of all ten hits and of the first (10 bins of equal width). The weights go into
src/snapfind/search/calibration.py by hand.
"""

import csv
import os
from pathlib import Path

import numpy as np

from snapfind.core.config import Settings
from snapfind.encoders.adapters.fit import fit as fit_adapter
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.media.image.decode import Limits, load
from snapfind.search.calibration import Calibration, calibration_features, fit


def photos(data: Path, split: str) -> tuple[list[Path], np.ndarray]:
    """Paths and fine classes."""
    rows = [line.split(",") for line in (data / f"{split}.txt").read_text().splitlines()]
    return [data / row[0] for row in rows], np.array([int(row[1]) for row in rows])


def nearest(encoder: Builtin, looks: object, studio: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 10) cosines, best first, and whether each is the right product."""
    scores = encoder.project(looks, "query") @ studio.T  # type: ignore[arg-type]
    order = np.argsort(-scores, axis=1)[:, :10]
    return np.take_along_axis(scores, order, axis=1), order == truth[:, None]


def error(scores: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error (Naeini et al. 2015), 10 bins of equal width."""
    bins = np.minimum((scores * 10).astype(int), 9)
    gaps = [abs(scores[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in set(bins.tolist())]
    return float(sum(gaps))


def main() -> None:
    """Print the table."""
    data = Path(os.environ["SNAPFIND_DATA"]) / "grocery"
    with (data / "classes.csv").open() as file:
        studio_paths = [data / row[4] for row in list(csv.reader(file))[1:]]
    limits, raw = Limits.of(Settings()), Builtin.load()

    def look(paths: list[Path]) -> object:
        return raw.extract_features([load(path, limits, side=raw.preprocessing.side) for path in paths])

    studio = [load(path, limits) for path in studio_paths]
    looked, of_studio = (
        {split: (look(photos(data, split)[0])) for split in ("train", "val")},
        raw.extract_features(studio),
    )
    print(
        "| space | weights: cosine, margin, bias | val: error of ten hits | val: error of the first | shipped weights |"
    )
    print("|---|---|---|---|---|")
    shipped = {"raw": Calibration.raw(), "fitted": Calibration.fitted()}
    for name, encoder in (("raw", raw), ("fitted", raw.adapted(fit_adapter(studio, raw)))):
        gallery = encoder.project(of_studio, "document")
        found = fit(*nearest(encoder, looked["train"], gallery, photos(data, "train")[1]), Calibration.raw())
        similarities, right = nearest(encoder, looked["val"], gallery, photos(data, "val")[1])
        cells = []
        for calibration in (found, shipped[name]):
            scores = np.array([calibration.photo_scores(calibration_features(row.tolist())) for row in similarities])
            cells.append((error(scores.ravel(), right.ravel()), error(scores[:, 0], right[:, 0])))
        weights = ", ".join(f"{weight:.2f}" for weight in found.photo)
        print(f"| {name} | {weights} | {cells[0][0]:.3f} | {cells[0][1]:.3f} | {cells[1][0]:.3f}, {cells[1][1]:.3f} |")


if __name__ == "__main__":
    main()
