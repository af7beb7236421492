"""Cross-validation folds without leakage between similar pictures.

Photos taken one after the other, copies of a picture and pictures of one product are similar. If they were split among
folds, a picture would be predicted from its near duplicate. `contiguous` keeps neighbors in file order together, and
`together` keeps known groups together.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["contiguous", "together"]

Whole = NDArray[np.int64]


def contiguous(labels: Whole, folds: int) -> Whole:
    """Split the rows of each label into equal contiguous folds.

    Args:
        labels: Labels, shape (n,).
        folds: Number of folds.

    Returns:
        Fold 0..folds-1 of each row, shape (n,).
    """
    assigned = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        assigned[rows] = np.arange(len(rows)) * folds // len(rows)
    return assigned


def together(folds: Whole, groups: Whole) -> Whole:
    """Move every group to the fold of its first row.

    Args:
        folds: Fold of each row, shape (n,).
        groups: Group of each row, negative for none, shape (n,).

    Returns:
        The new folds, shape (n,).
    """
    assigned = folds.copy()
    firsts: dict[int, int] = {}
    for row, group in enumerate(groups.tolist()):
        if group >= 0:
            assigned[row] = folds[firsts.setdefault(group, row)]
    return assigned
