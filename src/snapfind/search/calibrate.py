"""Similarities into probabilities: that a hit is the product asked for, and the verdict in a word.

A photo's hit is judged by its cosine and by its margin, the distance to the best *other* product (a photo of something
the shop does not sell is near to several products and far ahead of none): a logistic regression on the two (Platt
1999). The margin grows with the cosine, so scores fall along a ranking. A fused answer is judged by its share of the
best fused score. The shipped weights of photos were fitted on 2,640 photos of one grocery shop: small data, measured in
benchmarks/calibration.py.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snapfind.types import Verdict

__all__ = ["Calibration", "fit", "margins", "verdict"]

_MATCH, _SIMILAR = 0.5, 0.1


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of the two logistic models: photo = (cosine, margin, bias), fused = (share, bias)."""

    photo: tuple[float, float, float]
    fused: tuple[float, float] = (8.0, -5.0)  # set by hand: both of words and meaning first is a match, one is similar

    @classmethod
    def raw(cls) -> "Calibration":
        """For the encoder as it is shipped."""
        return cls((2.01, 16.90, -2.50))

    @classmethod
    def fitted(cls) -> "Calibration":
        """For an encoder that was fitted to the catalogue."""
        return cls((4.82, 12.21, -2.54))

    def photo_scores(self, similarities: Sequence[float]) -> list[float]:
        """Probabilities 0..1 for the cosines of a whole ranking, best first."""
        cosine, margin, bias = self.photo
        return [
            _logistic(cosine * similarity + margin * ahead + bias)
            for similarity, ahead in zip(similarities, margins(similarities))
        ]

    def fused_scores(self, shares: Sequence[float]) -> list[float]:
        """Probabilities 0..1 for shares (0..1) of the best fused score."""
        share, bias = self.fused
        return [_logistic(share * value + bias) for value in shares]


def verdict(score: float) -> Verdict:
    """`match` from an even chance on, `similar` from one in ten, else `none`."""
    return "match" if score >= _MATCH else "similar" if score >= _SIMILAR else "none"


def margins(similarities: Sequence[float]) -> list[float]:
    """How far each of a ranking (best first) is ahead of the best other; 0 for one alone."""
    if len(similarities) < 2:
        return [0.0] * len(similarities)
    best, second = similarities[0], similarities[1]
    return [best - second, *(similarity - best for similarity in similarities[1:])]


def fit(similarities: NDArray[np.float64], right: NDArray[np.bool_], base: Calibration) -> Calibration:
    """Photo weights by penalised maximum likelihood, Newton's method.

    `similarities` (n, k) cosines of n held-out queries, best first; `right` (n, k) whether each is the product asked
    for. Returns `base` where there is nothing to learn from (no right hit or no wrong one).
    """
    if not right.any() or right.all():
        return base
    features = [(similarity, ahead, 1.0) for row in similarities for similarity, ahead in zip(row, margins(list(row)))]
    x, y = np.asarray(features), right.ravel().astype(np.float64)
    penalty = np.diag([1e-2, 1e-2, 0.0])
    weights = np.zeros(3)
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        gradient = x.T @ (p - y) + penalty @ weights
        hessian = (x * (p * (1 - p))[:, None]).T @ x + penalty + 1e-9 * np.eye(3)
        step = np.linalg.solve(hessian, gradient)
        weights -= step
        if float(np.abs(step).max()) < 1e-8:
            break
    # Scores must not rise where similarity falls.
    cosine, margin, bias = (float(weight) for weight in weights)
    return Calibration((max(cosine, 0.0), max(margin, 0.0), bias), base.fused)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0
