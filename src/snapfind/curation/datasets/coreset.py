"""Coreset selection: a fraction of each class, chosen by k-center or herding.

k-center (Gonzalez 1985; Sener, Savarese, arXiv 1708.00489) adds the row that is farthest from all selected ones. A
burst of photos of one scene gives one row. Herding (Welling 2009; Rebuffi et al., arXiv 1611.07725) adds the row that
brings the mean of the selected rows nearest to the mean of all rows. docs/methods/coreset.md compares them.
"""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from snapfind.core.errors import BadInput
from snapfind.encoders.arrays import check_finite
from snapfind.encoders.base import Vectors

__all__ = ["METHODS", "Method", "herding", "k_center", "select_coreset"]

Method = Literal["k-center", "herding"]
METHODS: tuple[Method, ...] = get_args(Method)
_Rows = NDArray[np.int64]


def select_coreset(vectors: Vectors, labels: NDArray[np.int64], fraction: float, method: Method) -> _Rows:
    """Select a coreset. The selection is deterministic.

    Args:
        vectors: Embeddings, shape (n, d).
        labels: Labels, shape (n,).
        fraction: Fraction of each class, above 0 and at most 1. At least one row of a class is selected.
        method: "k-center" or "herding".

    Returns:
        Selected rows in order, shape (m,).

    Raises:
        BadInput: An argument is out of range, or a value is not finite.
    """
    if not 0 < fraction <= 1:
        raise BadInput(f"fraction is {fraction}; give a number above 0 and at most 1", field="fraction")
    if method not in METHODS:
        raise BadInput(f"unknown method {method!r}; give one of {', '.join(METHODS)}", field="method")
    if len(vectors) != len(labels):
        raise BadInput(f"{len(vectors)} vectors and {len(labels)} labels; give one label for each vector")
    check_finite(vectors, "vectors")
    choose: Callable[[Vectors, int], _Rows] = k_center if method == "k-center" else herding
    selected = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        selected.append(rows[choose(vectors[rows], max(1, round(fraction * len(rows))))])
    return np.sort(np.concatenate(selected)) if selected else np.empty(0, np.int64)


def k_center(vectors: Vectors, count: int) -> _Rows:
    """Select rows by k-center greedy. The first is the one nearest to the mean.

    Args:
        vectors: Embeddings, shape (n, d).
        count: Number of rows.

    Returns:
        Rows in the order of selection, shape (count,).
    """
    first = int(np.linalg.norm(vectors - vectors.mean(axis=0), axis=1).argmin())
    chosen, distances = [first], np.linalg.norm(vectors - vectors[first], axis=1)
    while len(chosen) < min(count, len(vectors)):
        distances[chosen] = -1.0
        chosen.append(int(distances.argmax()))
        distances = np.minimum(distances, np.linalg.norm(vectors - vectors[chosen[-1]], axis=1))
    return np.array(chosen, np.int64)


def herding(vectors: Vectors, count: int) -> _Rows:
    """Select rows by herding, each once.

    Args:
        vectors: Embeddings, shape (n, d).
        count: Number of rows.

    Returns:
        Rows in the order of selection, shape (count,).
    """
    mean, total = vectors.mean(axis=0, dtype=np.float64), np.zeros(vectors.shape[1])
    chosen: list[int] = []
    for step in range(1, min(count, len(vectors)) + 1):
        distances = np.linalg.norm(mean - (total + vectors) / step, axis=1)
        distances[chosen] = np.inf
        chosen.append(int(distances.argmin()))
        total += vectors[chosen[-1]]
    return np.array(chosen, np.int64)
