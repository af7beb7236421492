"""Out-of-fold label probabilities, the input of confident learning.

Two classifiers with different errors are averaged: linear discriminant analysis with a shrunk covariance, and nearest
neighbors in the whitened space. The temperature of each is chosen to maximize the likelihood of the given labels.
"""

import numpy as np
from numpy.typing import NDArray

from snapfind.core.errors import BadInput
from snapfind.encoders.arrays import check_finite, softmax, unit
from snapfind.encoders.base import Vectors

__all__ = ["posteriors"]

_SHRINKAGE = 1.0  # of the covariance within labels, in its own mean variance
_NEIGHBORS = 10
_DIM = 256
_ROWS = 1024  # batch of rows
_TEMPERATURES = 2.0 ** np.arange(-6, 6.5, 0.5)
_LEAST = 1e-6  # smallest probability of a label


def posteriors(vectors: Vectors, labels: NDArray[np.int64], folds: NDArray[np.int64]) -> Vectors:
    """Predict label probabilities of each row from the rows of other folds. Takes seconds for 3,000 rows.

    The rows are first projected to their 256 principal components.

    Args:
        vectors: Embeddings, shape (n, d).
        labels: Labels 0..k-1, shape (n,).
        folds: Fold of each row, shape (n,).

    Returns:
        Probabilities, float32 of shape (n, k). Rows sum to 1. A label absent from the other folds is near 0.

    Raises:
        BadInput: If all rows are in one fold, or a value is not finite.
    """
    check_finite(vectors, "vectors")
    count = int(labels.max()) + 1
    linear, nearest = np.empty((len(labels), count), np.float32), np.empty((len(labels), count), np.float32)
    rows = _main(unit(vectors))
    for fold in np.unique(folds):
        own = folds == fold
        if own.all():
            raise BadInput("all rows are in one fold; use two folds or more")
        whitened, means = _whitened(rows, labels, ~own, count)
        linear[own] = _linear(whitened[own], means)
        nearest[own] = _nearest(whitened[own], whitened[~own], labels[~own], count)
    parts = (_tempered(linear, labels), _tempered(np.log(nearest + np.float32(0.02)), labels))
    mean = np.maximum((parts[0] + parts[1]) / 2, np.float32(_LEAST))
    return np.asarray(mean / mean.sum(axis=1, keepdims=True), np.float32)


def _main(rows: Vectors) -> Vectors:
    """Project centered rows to at most 256 principal components."""
    centered = rows - rows.mean(axis=0)
    if centered.shape[1] <= _DIM:
        return np.asarray(centered, np.float32)
    _, axes = np.linalg.eigh(centered.T @ centered)
    return np.asarray(centered @ axes[:, -_DIM:], np.float32)


def _whitened(
    rows: Vectors, labels: NDArray[np.int64], known: NDArray[np.bool_], count: int
) -> tuple[Vectors, Vectors]:
    """Whiten all rows by the within-label covariance of the known rows. Also return the label means, NaN for none."""
    center = rows[known].mean(axis=0)
    means = _means(rows[known] - center, labels[known], count)
    within = rows[known] - center - means[labels[known]]
    covariance = within.T @ within / len(within)
    variance = max(float(np.trace(covariance)) / rows.shape[1], 1e-12)
    levels, axes = np.linalg.eigh(covariance / np.float32(variance) + np.float32(_SHRINKAGE) * np.eye(rows.shape[1]))
    whitening = ((axes / np.sqrt(levels)) @ axes.T / np.sqrt(variance)).astype(np.float32)
    return (rows - center) @ whitening, means @ whitening


def _means(rows: Vectors, labels: NDArray[np.int64], count: int) -> Vectors:
    sums = np.zeros((count, rows.shape[1]), np.float32)
    np.add.at(sums, labels, rows)
    sizes = np.bincount(labels, minlength=count)[:, None].astype(np.float32)
    return np.divide(sums, sizes, out=np.full_like(sums, np.nan), where=sizes > 0)


def _linear(whitened: Vectors, means: Vectors) -> Vectors:
    """Return log densities up to a constant of the row. A label without a mean gets -inf."""
    there = ~np.isnan(means[:, 0])
    logits = np.full((len(whitened), len(means)), -np.inf, np.float32)
    logits[:, there] = whitened @ means[there].T - (means[there] ** 2).sum(axis=1) / 2
    return logits


def _nearest(whitened: Vectors, known: Vectors, labels: NDArray[np.int64], count: int) -> Vectors:
    """Return the shares 0..1 of the labels among the nearest known rows, weighted by cosine."""
    shares = np.zeros((len(whitened), count), np.float32)
    mine, its = unit(whitened), unit(known)
    k = min(_NEIGHBORS, len(its))
    for start in range(0, len(mine), _ROWS):
        near = mine[start : start + _ROWS] @ its.T
        found = np.argpartition(-near, k - 1, axis=1)[:, :k]
        weights = np.clip(np.take_along_axis(near, found, axis=1), 1e-3, None)
        places = np.arange(len(found))[:, None] + start
        np.add.at(shares, (places, labels[found]), weights)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)


def _tempered(logits: Vectors, labels: NDArray[np.int64]) -> Vectors:
    """Return probabilities at the temperature that maximizes the likelihood of the labels."""

    def negative_log_likelihood(temperature: float) -> float:
        chosen = softmax(logits / np.float32(temperature))[np.arange(len(labels)), labels]
        return -float(np.log(np.maximum(chosen, _LEAST)).mean())

    return softmax(logits / np.float32(min(_TEMPERATURES, key=negative_log_likelihood)))
