"""Label errors by confident learning (Northcutt, Jiang, Chuang, arXiv 1911.00068).

A row is confidently of a label if its probability is at least the mean probability of this label among the rows with
the label (equation 2 of the paper). The confident joint counts given labels against confident labels and estimates how
often labels are confused (equation 1). Rows off its diagonal are suspects. The paper selects suspects by these counts.
Here a suspect must also exceed a margin that was chosen on other classes than the reported ones
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
    """A row whose label is probably wrong.

    Attributes:
        row: Index of the row.
        label: Its given label.
        suggested: The label that it is confidently of.
        margin: Difference of the probabilities of the two labels, 0..1.
    """

    row: int
    label: int
    suggested: int
    margin: float


@dataclass(frozen=True, slots=True)
class Joint:
    """Confident joint of k labels.

    Attributes:
        counts: Number of rows by given label (first axis) and confident label (second axis), shape (k, k).
        confident: Confident label of each row, -1 for none, shape (n,).
        thresholds: Threshold of each label, shape (k,).
    """

    counts: NDArray[np.int64]
    confident: NDArray[np.int64]
    thresholds: NDArray[np.float64]

    @property
    def noise(self) -> float:
        """Estimated fraction of wrong labels, 0..1."""
        return 1.0 - float(np.trace(self.counts)) / max(int(self.counts.sum()), 1)


def confident_joint(probabilities: Vectors, labels: NDArray[np.int64]) -> Joint:
    """Compute the confident joint.

    Args:
        probabilities: Out-of-fold probabilities, shape (n, k).
        labels: Given labels 0..k-1, shape (n,).

    Returns:
        The confident joint.
    """
    count = probabilities.shape[1]
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    sizes = np.bincount(labels, minlength=count)
    sums = np.bincount(labels, weights=own, minlength=count)
    thresholds = np.divide(sums, sizes, out=np.full(count, np.inf), where=sizes > 0)
    sure = np.where(probabilities >= thresholds, probabilities, -1.0)
    confident = np.where(sure.max(axis=1) >= 0, sure.argmax(axis=1), -1)
    counts = np.zeros((count, count), np.int64)
    np.add.at(counts, (labels[confident >= 0], confident[confident >= 0]), 1)
    return Joint(counts, confident, thresholds)


def suspects(probabilities: Vectors, labels: NDArray[np.int64], *, margin: float = _MARGIN) -> list[Suspect]:
    """Find rows whose confident label differs from the given one.

    Args:
        probabilities: Out-of-fold probabilities, shape (n, k).
        labels: Given labels 0..k-1, shape (n,).
        margin: Smallest margin of a suspect, 0..1.

    Returns:
        Suspects, largest margin first.
    """
    joint = confident_joint(probabilities, labels)
    rows = np.flatnonzero((joint.confident >= 0) & (joint.confident != labels))
    leads = probabilities[rows, joint.confident[rows]] - probabilities[rows, labels[rows]]
    order = np.argsort(-leads, kind="stable")
    return [
        Suspect(int(rows[at]), int(labels[rows[at]]), int(joint.confident[rows[at]]), float(leads[at]))
        for at in order
        if leads[at] >= margin
    ]


def wrong_labels(
    vectors: Vectors, labels: NDArray[np.int64], folds: NDArray[np.int64], *, margin: float = _MARGIN
) -> list[Suspect]:
    """Find label errors in two rounds. The second round uses the corrected labels of the first.

    Args:
        vectors: Embeddings, shape (n, d).
        labels: Given labels 0..k-1, shape (n,).
        folds: Cross-validation fold of each row, shape (n,).
        margin: Smallest margin of a suspect, 0..1.

    Returns:
        Suspects, largest margin first.
    """
    corrected = labels
    for number in range(_ROUNDS):
        probabilities = posteriors(vectors, corrected, folds)
        errors = suspects(probabilities, labels, margin=margin)
        if number == _ROUNDS - 1 or not errors:
            break
        corrected = labels.copy()
        for one in errors:
            corrected[one.row] = one.suggested
    return errors
