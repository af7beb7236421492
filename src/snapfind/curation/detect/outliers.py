"""Pictures that look like nothing else in the shop: another thing altogether, a scan, a logo, a black frame.

The distance to the k-th neighbour (Ramaswamy, Rastogi and Shim, SIGMOD 2000), in deviations of all of them; neighbours
of the own group (pictures of the same product, copies) do not count, as they would vouch for each other.
"""

import numpy as np
from numpy.typing import NDArray

from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Vectors

__all__ = ["loneliness", "outliers"]

# the k: a fiftieth of the rows, between these; a handful of strange pictures must not vouch for each other
_NEIGHBOURS = (5, 20)
_LEAST = 2.5
_ROWS = 1024


def loneliness(vectors: Vectors, groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, d) rows of any one space and the group of each (n,) -> (n,) deviations; above 0 is lonelier than most."""
    rows = unit(vectors - vectors.mean(axis=0))
    distances = np.empty(len(rows))
    k = min(max(_NEIGHBOURS[0], min(_NEIGHBOURS[1], len(rows) // 50)), len(rows) - 1)
    for start in range(0, len(rows), _ROWS):
        near = rows[start : start + _ROWS] @ rows.T
        near[groups[start : start + _ROWS, None] == groups] = -1.0
        distances[start : start + _ROWS] = 1 - np.partition(near, -k, axis=1)[:, -k]
    middle = np.median(distances)
    spread = 1.4826 * np.median(np.abs(distances - middle))
    return np.asarray((distances - middle) / max(float(spread), 1e-9))


def outliers(vectors: Vectors, groups: NDArray[np.int64]) -> list[tuple[int, float]]:
    """Rows and their deviations, the loneliest first; none among fewer than 20 rows."""
    if len(vectors) < 20:
        return []
    found = loneliness(vectors, groups)
    return [(int(row), float(found[row])) for row in np.argsort(-found, kind="stable") if found[row] >= _LEAST]
