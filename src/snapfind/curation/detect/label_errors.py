"""Labels that are probably wrong: confident learning, written from Northcutt, Jiang and Chuang (arXiv 1911.00068).

A row counts as confidently of a label when its probability is at least the mean probability of that label among the
rows that carry it (equation 2 of the paper). Counting labels given against labels so found estimates how often one is
given for another (equation 1); the rows off the diagonal are the suspects. The paper ranks and cuts by these counts;
here a suspect must also lead by a margin that was chosen on other classes than those reported
(benchmarks/curate_labels.py).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snapfind.curation.detect.posteriors import posteriors
from snapfind.encoders.base import Vectors

__all__ = ["Joint", "Suspect", "confident_joint", "suspects", "wrong_labels"]

_MARGIN = 0.6
_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Suspect:
    """A row whose label is probably wrong: the label given, the one it looks like, and by how much 0..1 it leads."""

    row: int
    given: int
    looks_like: int
    margin: float


@dataclass(frozen=True, slots=True)
class Joint:
    """`counts` (k, k): rows given the label of the row that are confidently of that of the column; `found` (n,) the
    label that each row is confidently of, -1 for none; `thresholds` (k,).
    """

    counts: NDArray[np.int64]
    found: NDArray[np.int64]
    thresholds: NDArray[np.float64]

    @property
    def noise(self) -> float:
        """Estimated part 0..1 of the labels that are wrong."""
        return 1.0 - float(np.trace(self.counts)) / max(int(self.counts.sum()), 1)


def confident_joint(probabilities: Vectors, labels: NDArray[np.int64]) -> Joint:
    """(n, k) out-of-fold probabilities and the labels given (n,) -> which label each row is confidently of."""
    count = probabilities.shape[1]
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    sizes = np.bincount(labels, minlength=count)
    sums = np.bincount(labels, weights=own, minlength=count)
    thresholds = np.divide(sums, sizes, out=np.full(count, np.inf), where=sizes > 0)
    sure = np.where(probabilities >= thresholds, probabilities, -1.0)
    found = np.where(sure.max(axis=1) >= 0, sure.argmax(axis=1), -1)
    counts = np.zeros((count, count), np.int64)
    np.add.at(counts, (labels[found >= 0], found[found >= 0]), 1)
    return Joint(counts, found, thresholds)


def suspects(probabilities: Vectors, labels: NDArray[np.int64], *, margin: float = _MARGIN) -> list[Suspect]:
    """The rows off the diagonal that lead by `margin` (0..1), the surest first."""
    joint = confident_joint(probabilities, labels)
    rows = np.flatnonzero((joint.found >= 0) & (joint.found != labels))
    leads = probabilities[rows, joint.found[rows]] - probabilities[rows, labels[rows]]
    order = np.argsort(-leads, kind="stable")
    return [
        Suspect(int(rows[at]), int(labels[rows[at]]), int(joint.found[rows[at]]), float(leads[at]))
        for at in order
        if leads[at] >= margin
    ]


def wrong_labels(
    vectors: Vectors, labels: NDArray[np.int64], folds: NDArray[np.int64], *, margin: float = _MARGIN
) -> list[Suspect]:
    """(n, d) rows, labels 0..k-1 (n,), folds (n,) -> suspects, the surest first.

    After the first round the suspects count under the label that they look like, and all rows are judged once more:
    what is wrong no longer speaks for the wrong label.
    """
    believed = labels
    for last in range(_ROUNDS):
        probabilities = posteriors(vectors, believed, folds)
        found = suspects(probabilities, labels, margin=margin)
        if last == _ROUNDS - 1 or not found:
            break
        believed = labels.copy()
        for one in found:
            believed[one.row] = one.looks_like
    return found
