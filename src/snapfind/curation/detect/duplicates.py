"""The same thing twice, in three grades: same file; same picture in another file; the same product photographed again.

The second grade is re-encoded, made smaller, or cut by up to a fifth on a side: then some cut of the one has the
fingerprint of the other (media/image/fingerprint.py). The third has near vectors only and is a question to the shop,
not an answer. Candidates come from blocks (curation/detect/blocking.py), groups do not chain
(curation/detect/clusters.py); thresholds were chosen on half of the classes and are reported on the other
(benchmarks/curate_duplicates.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from snapfind.curation.detect.blocking import by_hash, by_vector, hashed
from snapfind.curation.detect.clusters import grouped
from snapfind.curation.detect.crops import nearest_cut
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Vectors
from snapfind.media.image.fingerprint import (
    Fingerprint,
    cells_of,
    color_difference,
    difference,
    fingerprint,
    largest_difference,
    standardize,
)

__all__ = ["SIDE", "Grade", "Pair", "duplicates", "groups", "thumb"]

Grade = Literal["same file", "same picture", "same product"]
SIDE = 48  # pixels of the thumbs
_SAME = 0.075  # most difference of the fingerprints: re-encoded or made smaller
_CUT = 0.1  # the same after the best cut
_SAME_CELL, _CUT_CELL = 0.7, 0.9  # most difference of a single cell: another print on the same shirt has more
_SAME_COLORS, _CUT_COLORS = 26.0, 40.0  # most difference of colors in levels: a variant in another color has more
_APART = 0.8  # most difference before the cut for which one is looked for
_AGAIN = 0.75  # least cosine, in the space less its mean
_NEIGHBORS = 4
_NEAR = 0.5  # least cosine of a candidate
Thumbs = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two rows, a < b, under their strongest grade; `strength` 0..1 orders pairs of one grade."""

    a: int
    b: int
    grade: Grade
    strength: float


def thumb(image: Image.Image) -> Thumbs:
    """(48, 48, 3) uint8, the picture drawn to a square: what `duplicates` compares."""
    return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX), np.uint8)


def duplicates(hashes: Sequence[str], thumbs: Thumbs, vectors: Vectors) -> list[Pair]:
    """n content hashes, (n, 48, 48, 3) thumbs, (n, d) rows of any one space -> pairs, rows in order.

    An empty hash is no hash. About 10 ms a picture.
    """
    prints = [fingerprint(Image.fromarray(one)) for one in thumbs]
    found = {(pair.a, pair.b): pair for pair in _again(vectors)}
    for a, b in _candidates(prints, vectors):
        if not (prints[a].any() and prints[b].any()):
            continue  # blank pictures say nothing about their products
        apart = _apart(thumbs[a], thumbs[b], prints[a], prints[b])
        if apart <= _SAME:
            found[a, b] = Pair(a, b, "same picture", 1 - apart)
    found |= {(a, b): Pair(a, b, "same file", 1.0) for a, b in _same_files(hashes)}
    return [found[rows] for rows in sorted(found)]


def _apart(one: Thumbs, other: Thumbs, own: Fingerprint, its: Fingerprint) -> float:
    """Difference of two pictures after the best cut of either; 1 where they differ much in one place."""
    apart, most = difference(own, its), largest_difference(own, its)
    cells, others = cells_of(Image.fromarray(one)), cells_of(Image.fromarray(other))
    if apart <= _SAME:
        return apart if most <= _SAME_CELL and color_difference(cells, others) <= _SAME_COLORS else 1.0
    if apart > _APART:
        return apart
    cuts = (nearest_cut(one, its), others, its), (nearest_cut(other, own), cells, own)
    fits = [(difference(standardize(cut), target), cut, whole, target) for cut, whole, target in cuts]
    apart, cut, whole, target = min(fits, key=lambda fit: fit[0])
    most, colors = largest_difference(standardize(cut), target), color_difference(cut, whole)
    return apart * _SAME / _CUT if most <= _CUT_CELL and colors <= _CUT_COLORS else 1.0


def groups(pairs: Sequence[Pair], grade: Grade) -> list[tuple[int, ...]]:
    """Groups of rows in which all are alike in that grade or a stronger one."""
    order = {"same file": 2.0, "same picture": 1.0, "same product": 0.0}
    wanted = [pair for pair in pairs if order[pair.grade] >= order[grade]]
    return grouped((pair.a, pair.b, order[pair.grade] + pair.strength) for pair in wanted)


def _same_files(hashes: Sequence[str]) -> set[tuple[int, int]]:
    rows: dict[str, list[int]] = {}
    for row, value in enumerate(hashes):
        if value:
            rows.setdefault(value, []).append(row)
    return {(a, b) for same in rows.values() for place, a in enumerate(same) for b in same[place + 1 :]}


def _candidates(prints: Sequence[Fingerprint], vectors: Vectors) -> set[tuple[int, int]]:
    if not prints:
        return set()
    near = {(a, b) for a, b, _ in by_vector(_centered(vectors), _NEIGHBORS, _NEAR)}
    return near | set(by_hash(hashed(np.stack(prints))))


def _again(vectors: Vectors) -> list[Pair]:
    near = by_vector(_centered(vectors), _NEIGHBORS, _AGAIN) if len(vectors) else ()
    return [Pair(a, b, "same product", min(cosine, 1.0)) for a, b, cosine in near]


def _centered(vectors: Vectors) -> Vectors:
    """Less the mean, which all pictures of a shop share, so that a cosine means the same in every space."""
    return unit(vectors - vectors.mean(axis=0))
