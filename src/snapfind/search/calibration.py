"""Calibration: the probability that a hit is the product of the query, and the verdict.

A hit of a photo has four calibration features: its similarity; its margin to the best other product; its lead over the
mean of the ten nearest; and the log probability of its category. The lead detects photos of products that are not in
the catalog: they are near to several products and far ahead of none. A logistic regression maps the features to a
probability (Platt 1999). Scores never rise along a ranking. A hit of a text has the features of text_evidence.py. An
answer to a photo and a text together is calibrated by its share of the best possible fused score.

The default weights of photos were fitted on 2,640 photos of one grocery shop (benchmarks/search.py). `snapfind model
calibrate` fits them to a catalog. Those of texts were fitted on queries in four languages to two fashion shops and are
reported on two other shops (benchmarks/word_scores.py).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from snapfind.core.types import Verdict

__all__ = ["CROWD", "Calibration", "calibration_features", "fit", "margins", "verdict"]

CROWD = 10
_MATCH, _SIMILAR = 0.5, 0.1
Weights = tuple[float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of two logistic models.

    Attributes:
        photo: Weights of (similarity, margin, lead, category, bias) for photo rankings.
        fused: Weights of (share, bias) for rankings of photos and texts together.
        text: Weights of (similarity, background, all terms covered, bias) for texts and products with a title.
        untitled: Weights of (similarity, bias) for texts and products without a title.
    """

    photo: Weights
    # Set by hand: first in both BM25 and dense text is a match, first in one of them is similar.
    fused: tuple[float, float] = (8.0, -5.0)
    text: tuple[float, float, float, float] = (83.99, -30.83, 0.77, -41.97)
    untitled: tuple[float, float] = (11.7, -4.8)

    @classmethod
    def raw(cls) -> "Calibration":
        """Return the defaults for an encoder without an adapter."""
        return cls((2.01, 16.90, 0.0, 0.0, -2.50))

    @classmethod
    def fitted(cls) -> "Calibration":
        """Return the defaults for an encoder with an adapter fitted to the catalog."""
        return cls((4.82, 12.21, 0.0, 0.0, -2.54))

    def photo_scores(self, features: NDArray[np.float64]) -> list[float]:
        """Compute the probabilities of a whole ranking.

        Args:
            features: `calibration_features` of the ranking, shape (n, 4).

        Returns:
            n probabilities 0..1 that never rise along the ranking.
        """
        logits = features @ np.array(self.photo[:-1]) + self.photo[-1]
        return np.minimum.accumulate([_logistic(float(value)) for value in logits]).tolist() if len(logits) else []

    def text_scores(self, features: NDArray[np.float64]) -> list[float]:
        """Compute the probabilities that products answer a text.

        Args:
            features: `text_features` of n products, shape (n, 3).

        Returns:
            n probabilities 0..1.
        """
        logits = features @ np.array(self.text[:-1]) + self.text[-1]
        return [_logistic(float(value)) for value in logits]

    def untitled_scores(self, similarities: Sequence[float]) -> list[float]:
        """Compute the probabilities that products without a title answer a text.

        Args:
            similarities: Cosines in the text-to-image space.

        Returns:
            One probability 0..1 for each.
        """
        similarity, bias = self.untitled
        return [_logistic(similarity * value + bias) for value in similarities]

    def fused_scores(self, shares: Sequence[float]) -> list[float]:
        """Compute the probabilities of fused hits.

        Args:
            shares: Fractions of the best possible fused score, 0..1.

        Returns:
            One probability 0..1 for each share.
        """
        share, bias = self.fused
        return [_logistic(share * value + bias) for value in shares]


def verdict(score: float) -> Verdict:
    """Name a probability.

    Args:
        score: Calibrated probability, 0..1.

    Returns:
        "match" from .5 on, "similar" from .1 on, else "none".
    """
    return "match" if score >= _MATCH else "similar" if score >= _SIMILAR else "none"


def calibration_features(similarities: Sequence[float], chances: Sequence[float] = ()) -> NDArray[np.float64]:
    """Compute the calibration features of a ranking.

    Args:
        similarities: Similarities of n hits, best first.
        chances: Log probabilities of their categories. If empty, the category feature is 0.

    Returns:
        Similarity, margin, lead and category, shape (n, 4).
    """
    values = np.asarray(similarities, np.float64)
    crowd = values[:CROWD]
    others = (crowd.sum() - np.where(np.arange(len(values)) < CROWD, values, 0.0)) / max(len(crowd) - 1, 1)
    lead = values - (others if len(crowd) > 1 else values)
    logs = np.asarray(chances, np.float64) if len(chances) else np.zeros(len(values))
    return np.stack([values, np.asarray(margins(similarities)), lead, logs], axis=1).reshape(-1, 4)


def margins(similarities: Sequence[float]) -> list[float]:
    """Compute the margin of each hit to the best other hit.

    Args:
        similarities: Similarities of n hits, best first.

    Returns:
        n margins. A single hit has margin 0.
    """
    if len(similarities) < 2:
        return [0.0] * len(similarities)
    best, second = similarities[0], similarities[1]
    return [best - second, *(similarity - best for similarity in similarities[1:])]


def fit(features: NDArray[np.float64], right: NDArray[np.bool_], base: Calibration) -> Calibration:
    """Fit the photo weights by penalized maximum likelihood with Newton's method.

    Args:
        features: `calibration_features` of hits of held-out queries, shape (m, 4).
        right: Whether each hit is the product of its query, shape (m,).
        base: Calibration that provides the fused weights.

    Returns:
        The fitted calibration. `base` if the labels are all true or all false.
    """
    if not right.any() or right.all():
        return base
    x, y = np.column_stack([features, np.ones(len(features))]), right.astype(np.float64)
    free = np.array([True, True, True, bool(np.ptp(features[:, 3]) > 0), True])
    weights = _newton(x, y, free)
    while (weights[:4] < 0).any():  # a score must not rise when a feature falls: drop the most negative weight
        free[int(weights[:4].argmin())] = False
        weights = _newton(x, y, free)
    similarity, margin, lead, category, bias = (float(weight) for weight in weights)
    return replace(base, photo=(similarity, margin, lead, category, bias))


def _newton(x: NDArray[np.float64], y: NDArray[np.float64], free: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Fit the weights of the free columns. The others are 0."""
    chosen, size = x[:, free], int(free.sum())
    penalty = 1e-2 * np.diag([1.0] * (size - 1) + [0.0])
    weights = np.zeros(size)
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(chosen @ weights, -30, 30)))
        gradient = chosen.T @ (p - y) + penalty @ weights
        hessian = (chosen * (p * (1 - p))[:, None]).T @ chosen + penalty + 1e-9 * np.eye(size)
        step = np.linalg.solve(hessian, gradient)
        weights -= step
        if float(np.abs(step).max()) < 1e-8:
            break
    whole = np.zeros(len(free))
    whole[free] = weights
    return whole


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0
