"""Duplicate detection in three grades: same file, same picture, same product.

The same picture is re-encoded, downscaled, or cropped by up to a fifth of a side: the fingerprint of one picture is
near that of a crop of the other (media/image/fingerprint.py). The same product has near embeddings only, so the shop
must decide. Candidates come from curation/detect/blocking.py. Thresholds were chosen on half of the classes and are
reported on the other half (benchmarks/curate_duplicates.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from snapfind.curation.detect.blocking import by_hash, by_vector, hashed
from snapfind.curation.detect.crops import nearest_crop
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

__all__ = ["SIDE", "Grade", "Pair", "complete_linkage", "find_duplicates", "group_pairs", "thumb"]

Grade = Literal["same file", "same picture", "same product"]
SIDE = 48  # pixels of the thumbs
_SAME = 0.075  # maximum difference of the fingerprints: re-encoded or downscaled
_CROP = 0.1  # the same after the best crop
_SAME_CELL, _CROP_CELL = 0.7, 0.9  # maximum difference of a single cell: another print on the same shirt has more
_SAME_COLORS, _CROP_COLORS = 26.0, 40.0  # maximum difference of colors in levels: a variant in another color has more
_TRY_CROPS = 0.8  # maximum difference of whole pictures for which crops are tried
_SAME_PRODUCT = 0.75  # minimum cosine of centered embeddings
_NEIGHBORS = 4
_NEAR = 0.5  # minimum cosine of a candidate
Thumbs = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair of duplicates.

    Args:
        a: First row.
        b: Second row, a < b.
        grade: The strongest grade of the pair.
        strength: Similarity, 0..1. Orders pairs of one grade.
    """

    a: int
    b: int
    grade: Grade
    strength: float


def thumb(image: Image.Image) -> Thumbs:
    """Return the thumbnail that `find_duplicates` compares.

    Args:
        image: A picture.

    Returns:
        The picture resized to a square, uint8 of shape (48, 48, 3).
    """
    return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX), np.uint8)


def find_duplicates(hashes: Sequence[str], thumbs: Thumbs, vectors: Vectors) -> list[Pair]:
    """Find duplicates. Takes about 10 ms for each picture.

    Args:
        hashes: Content hashes of n files, "" if unknown.
        thumbs: Thumbnails of `thumb`, shape (n, 48, 48, 3).
        vectors: Embeddings of any one space, shape (n, d).

    Returns:
        Pairs in order of their rows.
    """
    prints = [fingerprint(Image.fromarray(one)) for one in thumbs]
    pairs = {(pair.a, pair.b): pair for pair in _same_product(vectors)}
    for a, b in _candidates(prints, vectors):
        if not (prints[a].any() and prints[b].any()):
            continue  # blank pictures say nothing about their products
        distance = _distance(thumbs[a], thumbs[b], prints[a], prints[b])
        if distance <= _SAME:
            pairs[a, b] = Pair(a, b, "same picture", 1 - distance)
    pairs |= {(a, b): Pair(a, b, "same file", 1.0) for a, b in _same_files(hashes)}
    return [pairs[rows] for rows in sorted(pairs)]


def _distance(one: Thumbs, other: Thumbs, own: Fingerprint, its: Fingerprint) -> float:
    """Return the difference of two pictures after the best crop of either, 1 if a single cell or color differs much."""
    distance, most = difference(own, its), largest_difference(own, its)
    cells, others = cells_of(Image.fromarray(one)), cells_of(Image.fromarray(other))
    if distance <= _SAME:
        return distance if most <= _SAME_CELL and color_difference(cells, others) <= _SAME_COLORS else 1.0
    if distance > _TRY_CROPS:
        return distance
    crops = (nearest_crop(one, its), others, its), (nearest_crop(other, own), cells, own)
    fits = [(difference(standardize(crop), target), crop, whole, target) for crop, whole, target in crops]
    distance, crop, whole, target = min(fits, key=lambda fit: fit[0])
    most, colors = largest_difference(standardize(crop), target), color_difference(crop, whole)
    return distance * _SAME / _CROP if most <= _CROP_CELL and colors <= _CROP_COLORS else 1.0


def group_pairs(pairs: Sequence[Pair], grade: Grade) -> list[tuple[int, ...]]:
    """Group duplicates by complete linkage.

    Args:
        pairs: Pairs of `find_duplicates`.
        grade: The weakest grade that joins rows.

    Returns:
        Sorted groups of two or more rows, largest group first. All rows of a group are pairs.
    """
    order = {"same file": 2.0, "same picture": 1.0, "same product": 0.0}
    selected = [pair for pair in pairs if order[pair.grade] >= order[grade]]
    return complete_linkage((pair.a, pair.b, order[pair.grade] + pair.strength) for pair in selected)


def complete_linkage(pairs: Iterable[tuple[int, int, float]]) -> list[tuple[int, ...]]:
    """Cluster pairs by complete linkage: all members of a group are similar to each other.

    Connected components would join A and C because both are similar to B, so one weak pair could join hundreds of
    pictures. Here two groups are merged only if all pairs across them exist, strongest pairs first.

    Args:
        pairs: Tuples of row, row and strength in any order. For equal strengths, smaller rows are merged first.

    Returns:
        Sorted groups of two or more rows, largest group first.
    """
    unique = sorted({(min(a, b), max(a, b)): strength for a, b, strength in pairs if a != b}.items())
    similar = {pair for pair, _ in unique}
    members: dict[int, list[int]] = {row: [row] for pair in similar for row in pair}
    at = {row: row for row in members}
    for (a, b), _ in sorted(unique, key=lambda one: -one[1]):
        mine, its = at[a], at[b]
        if mine != its and all((min(x, y), max(x, y)) in similar for x in members[mine] for y in members[its]):
            members[mine] += members.pop(its)
            for row in members[mine]:
                at[row] = mine
    groups = (tuple(sorted(rows)) for rows in members.values() if len(rows) > 1)
    return sorted(groups, key=lambda rows: (-len(rows), rows))


def _same_files(hashes: Sequence[str]) -> set[tuple[int, int]]:
    rows: dict[str, list[int]] = {}
    for row, value in enumerate(hashes):
        if value:
            rows.setdefault(value, []).append(row)
    return {(a, b) for same in rows.values() for place, a in enumerate(same) for b in same[place + 1 :]}


def _candidates(prints: Sequence[Fingerprint], vectors: Vectors) -> set[tuple[int, int]]:
    if not prints:
        return set()
    near = {(a, b) for a, b, _ in by_vector(_center(vectors), _NEIGHBORS, _NEAR)}
    return near | set(by_hash(hashed(np.stack(prints))))


def _same_product(vectors: Vectors) -> list[Pair]:
    near = by_vector(_center(vectors), _NEIGHBORS, _SAME_PRODUCT) if len(vectors) else ()
    return [Pair(a, b, "same product", min(cosine, 1.0)) for a, b, cosine in near]


def _center(vectors: Vectors) -> Vectors:
    """Subtract the mean, which all pictures of a shop share, so that cosines are comparable between spaces."""
    return unit(vectors - vectors.mean(axis=0))
