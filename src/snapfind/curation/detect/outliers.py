"""Outlier detection: pictures that are far from all others, such as scans, logos and black frames.

The score is the distance to the k-th nearest neighbor (Ramaswamy, Rastogi, Shim, SIGMOD 2000) in robust deviations.
Neighbors of the same group (pictures of one product, copies) do not count.
"""

import numpy as np
from numpy.typing import NDArray

from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Vectors

__all__ = ["find_outliers", "isolation"]

# k is a fiftieth of the rows within this range, so that a few similar outliers do not hide each other
_NEIGHBORS = (5, 20)
_LEAST = 2.5
_ROWS = 1024


def isolation(vectors: Vectors, groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute outlier scores.

    Args:
        vectors: Embeddings of one space, shape (n, d).
        groups: Group of each row, shape (n,).

    Returns:
        Deviations of the neighbor distance from the median, shape (n,). Larger values are more isolated.
    """
    rows = unit(vectors - vectors.mean(axis=0))
    distances = np.empty(len(rows))
    k = min(max(_NEIGHBORS[0], min(_NEIGHBORS[1], len(rows) // 50)), len(rows) - 1)
    for start in range(0, len(rows), _ROWS):
        near = rows[start : start + _ROWS] @ rows.T
        near[groups[start : start + _ROWS, None] == groups] = -1.0
        distances[start : start + _ROWS] = 1 - np.partition(near, -k, axis=1)[:, -k]
    middle = np.median(distances)
    spread = 1.4826 * np.median(np.abs(distances - middle))
    return np.asarray((distances - middle) / max(float(spread), 1e-9))


def find_outliers(vectors: Vectors, groups: NDArray[np.int64]) -> list[tuple[int, float]]:
    """Find outliers.

    Args:
        vectors: Embeddings of one space, shape (n, d).
        groups: Group of each row, shape (n,).

    Returns:
        Pairs of row and deviation, most isolated first. Empty for fewer than 20 rows.
    """
    if len(vectors) < 20:
        return []
    scores = isolation(vectors, groups)
    return [(int(row), float(scores[row])) for row in np.argsort(-scores, kind="stable") if scores[row] >= _LEAST]
