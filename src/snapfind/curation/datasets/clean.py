"""Clean a labeled training set: remove duplicates and probable label errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from snapfind.curation.detect.duplicates import find_duplicates, group_pairs
from snapfind.curation.detect.folds import contiguous, together
from snapfind.curation.detect.label_errors import wrong_labels
from snapfind.encoders.base import Vectors

__all__ = ["CleanResult", "RemovedRow", "clean_rows"]

_FOLDS = 5
_FEW = 5  # rows of a label: fewer give no reliable estimate


@dataclass(frozen=True, slots=True)
class RemovedRow:
    """A removed row.

    Args:
        row: Index of the row.
        reason: Why it is removed.
        suggested: The probable label of a wrong label, -1 for a copy.
    """

    row: int
    reason: Literal["copy", "wrong label"]
    suggested: int = -1


@dataclass(frozen=True)
class CleanResult:
    """Result of cleaning.

    Args:
        rows: The remaining rows in order, shape (m,).
        removed: The removed rows in order.
    """

    rows: NDArray[np.int64]
    removed: tuple[RemovedRow, ...]


def clean_rows(
    vectors: Vectors, labels: NDArray[np.int64], hashes: Sequence[str], thumbs: NDArray[np.uint8]
) -> CleanResult:
    """Remove copies and probable label errors.

    The first of copies with the same label remains. Labels with fewer than five rows are not checked for errors.

    Args:
        vectors: Embeddings, shape (n, d). Photos taken one after the other should be neighbors.
        labels: Labels 0..k-1, shape (n,).
        hashes: Content hashes of the n files.
        thumbs: Thumbnails of `curation.detect.duplicates.thumb`, shape (n, 48, 48, 3).

    Returns:
        The remaining rows and the removed ones.
    """
    same = np.full(len(labels), -1, np.int64)
    for number, copies in enumerate(group_pairs(find_duplicates(hashes, thumbs, vectors), "same picture")):
        same[list(copies)] = number
    removed = {}
    checked = np.flatnonzero(np.bincount(labels)[labels] >= _FEW)
    names, own = np.unique(labels[checked], return_inverse=True)
    if len(names) > 1:
        folds = together(contiguous(own, _FOLDS), same[checked])
        for one in wrong_labels(vectors[checked], own, folds):
            row = int(checked[one.row])
            removed[row] = RemovedRow(row, "wrong label", int(names[one.suggested]))
    seen: set[tuple[int, int]] = set()
    for row, group in enumerate(same.tolist()):
        if group >= 0 and row not in removed:
            if (group, int(labels[row])) in seen:
                removed[row] = RemovedRow(row, "copy")
            seen.add((group, int(labels[row])))
    rows = np.setdiff1d(np.arange(len(labels)), np.array(sorted(removed), np.int64))
    return CleanResult(rows, tuple(removed[row] for row in sorted(removed)))
