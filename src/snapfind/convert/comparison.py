"""Comparison of a converted encoder with its original: shared nearest neighbors, time of a call, bytes on disk."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from snapfind.encoders.base import Vectors

__all__ = ["milliseconds", "same_answers", "same_neighbors", "size_of"]

_RUNS = 5


def milliseconds(run: Callable[[], object]) -> float:
    """Measure the median milliseconds of five runs, after one to warm up."""
    run()
    taken = []
    for _ in range(_RUNS):
        begin = time.perf_counter()
        run()
        taken.append((time.perf_counter() - begin) * 1000)
    return float(np.median(taken))


def size_of(folder: Path) -> int:
    """Return the bytes of the files directly inside a folder."""
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())


def same_neighbors(one: Vectors, other: Vectors, count: int = 10) -> float:
    """Compute the recall of nearest neighbors in another space.

    Args:
        one: Unit rows of shape (n, d).
        other: Unit rows of the same items in another space, shape (n, d2).
        count: Number of neighbors. No row is its own neighbor.

    Returns:
        Mean fraction of the neighbors in `one` that are also neighbors in `other`. 1 for a single row.
    """
    scores = [rows @ rows.T for rows in (one, other)]
    for own in scores:
        np.fill_diagonal(own, -np.inf)
    return _shared(scores[0], scores[1], min(count, len(one) - 1))


def same_answers(one: tuple[Vectors, Vectors], other: tuple[Vectors, Vectors], count: int = 10) -> float:
    """Compute the recall of the nearest rows of queries in another space.

    Args:
        one: Queries of shape (m, d) and rows of shape (n, d).
        other: The same in another space.
        count: Number of nearest rows.

    Returns:
        Mean fraction of the nearest rows in `one` that are also nearest in `other`.
    """
    return _shared(one[0] @ one[1].T, other[0] @ other[1].T, min(count, len(one[1])))


def _shared(one: Vectors, other: Vectors, count: int) -> float:
    if count < 1:
        return 1.0
    nearest = [np.argsort(-scores, axis=1, kind="stable")[:, :count].tolist() for scores in (one, other)]
    return float(np.mean([len(set(a) & set(b)) / count for a, b in zip(*nearest)]))
