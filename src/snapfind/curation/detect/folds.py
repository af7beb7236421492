"""Which rows judge which: folds that keep together what would vouch for itself.

Photos taken one after the other, copies of a picture and pictures of one product look alike; were they parted among the
folds, each would be judged by its twin. They stay together: `contiguous` where the order of the rows is that of the
camera or of the files, `together` where groups are known.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["contiguous", "together"]

Whole = NDArray[np.int64]


def contiguous(labels: Whole, folds: int) -> Whole:
    """(n,) labels -> (n,) folds 0..folds-1: of each label the rows in their order, cut into as many equal runs."""
    found = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        found[rows] = np.arange(len(rows)) * folds // len(rows)
    return found


def together(folds: Whole, groups: Whole) -> Whole:
    """The same folds with every group (n,) moved to that of its first row; a group below 0 is of that row alone."""
    found = folds.copy()
    firsts: dict[int, int] = {}
    for row, group in enumerate(groups.tolist()):
        if group >= 0:
            found[row] = folds[firsts.setdefault(group, row)]
    return found
