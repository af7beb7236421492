"""Labeled photos before anything is learned from them: without copies, without labels that are probably wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from snapfind.curation.detect.duplicates import duplicates, groups
from snapfind.curation.detect.folds import contiguous, together
from snapfind.curation.detect.label_errors import wrong_labels
from snapfind.encoders.base import Vectors

__all__ = ["Cleaned", "Dropped", "clean"]

_FOLDS, _FEW = 5, 5


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that is left out, why, and for a wrong label the one that it looks like (-1 for a copy)."""

    row: int
    why: Literal["copy", "wrong label"]
    suggested: int = -1


@dataclass(frozen=True)
class Cleaned:
    """`kept` (m,) rows in order, and what was `dropped`."""

    kept: NDArray[np.int64]
    dropped: tuple[Dropped, ...]


def clean(vectors: Vectors, labels: NDArray[np.int64], hashes: Sequence[str], thumbs: NDArray[np.uint8]) -> Cleaned:
    """What to keep of (n, d) rows, labels 0..k-1 (n,), n content hashes and (n, 48, 48, 3) thumbs.

    Thumbs are those of curation/detect/duplicates.py.

    Of copies under one label the first stays. Labels with fewer than five rows are not judged. Rows of one series
    should follow each other.
    """
    same = np.full(len(labels), -1, np.int64)
    for number, rows in enumerate(groups(duplicates(hashes, thumbs, vectors), "same picture")):
        same[list(rows)] = number
    dropped = {}
    judged = np.flatnonzero(np.bincount(labels)[labels] >= _FEW)
    names, own = np.unique(labels[judged], return_inverse=True)
    if len(names) > 1:
        folds = together(contiguous(own, _FOLDS), same[judged])
        for one in wrong_labels(vectors[judged], own, folds):
            row = int(judged[one.row])
            dropped[row] = Dropped(row, "wrong label", int(names[one.suggested]))
    seen: set[tuple[int, int]] = set()
    for row, group in enumerate(same.tolist()):
        if group >= 0 and row not in dropped:
            if (group, int(labels[row])) in seen:
                dropped[row] = Dropped(row, "copy")
            seen.add((group, int(labels[row])))
    kept = np.setdiff1d(np.arange(len(labels)), np.array(sorted(dropped), np.int64))
    return Cleaned(kept, tuple(dropped[row] for row in sorted(dropped)))
