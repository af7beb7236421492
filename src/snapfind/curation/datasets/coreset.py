"""Fewer rows to learn from that say nearly as much: k-center and herding, a share of each class.

k-center (Gonzalez 1985; Sener and Savarese, arXiv 1708.00489): the next row is the one farthest from all chosen; bursts
of one scene give one row. Herding (Welling 2009; Rebuffi et al., arXiv 1611.07725): the next row is the one that brings
the mean of the chosen nearest to the mean of all; bursts count as often as they are. Which pays when:
docs/methods/coreset.md.
"""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from snapfind.core.errors import BadInput
from snapfind.encoders.arrays import check_finite
from snapfind.encoders.base import Vectors

__all__ = ["METHODS", "Method", "coreset", "herding", "k_center"]

Method = Literal["k-center", "herding"]
METHODS: tuple[Method, ...] = get_args(Method)
_Rows = NDArray[np.int64]


def coreset(vectors: Vectors, labels: NDArray[np.int64], part: float, method: Method) -> _Rows:
    """(n, d) rows, labels (n,), a part in (0, 1] -> rows to keep, in order: that part of each class, one at least.

    Nothing is drawn: the same rows give the same coreset. Raises BadInput.
    """
    if not 0 < part <= 1:
        raise BadInput(f"part {part}: give a number above 0, at most 1", field="part")
    if method not in METHODS:
        raise BadInput(f"method {method!r}: give one of {', '.join(METHODS)}", field="method")
    if len(vectors) != len(labels):
        raise BadInput(f"{len(vectors)} vectors and {len(labels)} labels; give one for each")
    check_finite(vectors, "vectors")
    choose: Callable[[Vectors, int], _Rows] = k_center if method == "k-center" else herding
    kept = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        kept.append(rows[choose(vectors[rows], max(1, round(part * len(rows))))])
    return np.sort(np.concatenate(kept)) if kept else np.empty(0, np.int64)


def k_center(vectors: Vectors, count: int) -> _Rows:
    """(n, d) -> `count` rows in the order chosen, the first the one nearest to the mean."""
    first = int(np.linalg.norm(vectors - vectors.mean(axis=0), axis=1).argmin())
    chosen, apart = [first], np.linalg.norm(vectors - vectors[first], axis=1)
    while len(chosen) < min(count, len(vectors)):
        apart[chosen] = -1.0
        chosen.append(int(apart.argmax()))
        apart = np.minimum(apart, np.linalg.norm(vectors - vectors[chosen[-1]], axis=1))
    return np.array(chosen, np.int64)


def herding(vectors: Vectors, count: int) -> _Rows:
    """(n, d) -> `count` rows in the order chosen; each is chosen once."""
    mean, total = vectors.mean(axis=0, dtype=np.float64), np.zeros(vectors.shape[1])
    chosen: list[int] = []
    for step in range(1, min(count, len(vectors)) + 1):
        apart = np.linalg.norm(mean - (total + vectors) / step, axis=1)
        apart[chosen] = np.inf
        chosen.append(int(apart.argmin()))
        total += vectors[chosen[-1]]
    return np.array(chosen, np.int64)
