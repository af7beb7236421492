"""Label filter: a photo is kept if enough of its nearest neighbors have the same label.

Pailitao-VL (arXiv 2602.13704) cleans identities before it computes prototypes, because a prototype of wrongly labeled
photos keeps the noise. Its method is not public. This filter is a variant of Wilson's editing (IEEE Trans. SMC 2,
1972): with a fraction w of wrong labels spread over K products, a photo with a wrong label has a neighbor with the same
label only with probability k * w / K.
"""

import numpy as np
from numpy.typing import NDArray

from snapfind.encoders.base import Vectors

__all__ = ["agrees_with_neighbors"]

_ROWS = 1024


def agrees_with_neighbors(
    vectors: Vectors, labels: NDArray[np.int64], *, neighbors: int = 10, least: int = 2
) -> NDArray[np.bool_]:
    """Select samples whose label is shared by their nearest neighbors.

    If a label would lose all its samples, it keeps all of them.

    Args:
        vectors: (n, d) unit rows.
        labels: (n,) int64 labels.
        neighbors: Number of nearest neighbors.
        least: Number of neighbors that must have the same label.

    Returns:
        (n,) bool mask of the samples to keep.
    """
    mask = np.empty(len(labels), bool)
    k = min(neighbors, len(labels) - 1)
    for start in range(0, len(labels), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(labels)))
        similarities = vectors[rows] @ vectors.T
        similarities[np.arange(len(rows)), rows] = -np.inf
        nearest = np.argpartition(-similarities, k - 1, axis=1)[:, :k]
        mask[rows] = (labels[nearest] == labels[rows, None]).sum(axis=1) >= min(least, k)
    lost = np.setdiff1d(labels, labels[mask])
    return mask | np.isin(labels, lost)
