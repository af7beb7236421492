"""Comparison of a converted encoder with its original: shared nearest neighbors, time of a call, bytes on disk."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from snapfind.encoders.base import Vectors

__all__ = ["milliseconds", "same_answers", "same_neighbors", "size_of"]

_RUNS = 5


def milliseconds(run: Callable[[], object]) -> float:
    """The median of five runs, after one to warm up."""
    run()
    taken = []
    for _ in range(_RUNS):
        begin = time.perf_counter()
        run()
        taken.append((time.perf_counter() - begin) * 1000)
    return float(np.median(taken))


def size_of(folder: Path) -> int:
    """Bytes of the files right inside an artifact's folder."""
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())


def same_neighbors(one: Vectors, other: Vectors, count: int = 10) -> float:
    """Part of the `count` nearest of each row of `one` that are among the nearest of the same row of `other`.

    Both are (n, d) unit rows, d may differ; no row is its own neighbor. 1 where there is a single row.
    """
    scores = [rows @ rows.T for rows in (one, other)]
    for own in scores:
        np.fill_diagonal(own, -np.inf)
    return _shared(scores[0], scores[1], min(count, len(one) - 1))


def same_answers(one: tuple[Vectors, Vectors], other: tuple[Vectors, Vectors], count: int = 10) -> float:
    """The same of queries (m, d) among other rows (n, d): part of the `count` nearest rows of each query."""
    return _shared(one[0] @ one[1].T, other[0] @ other[1].T, min(count, len(one[1])))


def _shared(one: Vectors, other: Vectors, count: int) -> float:
    if count < 1:
        return 1.0
    nearest = [np.argsort(-scores, axis=1, kind="stable")[:, :count].tolist() for scores in (one, other)]
    return float(np.mean([len(set(a) & set(b)) / count for a, b in zip(*nearest)]))
