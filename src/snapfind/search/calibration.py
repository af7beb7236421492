"""Similarities into probabilities: that a hit is the product asked for, and the verdict in a word.

A photo's hit is judged by four signs: its similarity; its margin, the distance to the best *other* product; its lead
over the crowd of the ten nearest (a photo of something that the shop does not sell is near to several products and far
ahead of none); and the probability of its category. A logistic regression weighs them (Platt 1999), and scores never
rise along a ranking. A fused answer is judged by its share of the best fused score. The shipped weights of photos were
fitted on 2,640 photos of one grocery shop: small data, measured in benchmarks/search.py; `Catalog.calibrate` fits them
to a catalogue.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snapfind.core.types import Verdict

__all__ = ["CROWD", "Calibration", "calibration_features", "fit", "margins", "verdict"]

CROWD = 10
_MATCH, _SIMILAR = 0.5, 0.1
Weights = tuple[float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of the two logistic models: photo = (similarity, margin, lead, category, bias), fused = (share, bias)."""

    photo: Weights
    fused: tuple[float, float] = (8.0, -5.0)  # set by hand: both of words and meaning first is a match, one is similar

    @classmethod
    def raw(cls) -> "Calibration":
        """For the encoder as it is shipped."""
        return cls((2.01, 16.90, 0.0, 0.0, -2.50))

    @classmethod
    def fitted(cls) -> "Calibration":
        """For an encoder that was fitted to the catalogue."""
        return cls((4.82, 12.21, 0.0, 0.0, -2.54))

    def photo_scores(self, similarities: Sequence[float], chances: Sequence[float] = ()) -> list[float]:
        """Probabilities 0..1 for a whole ranking, best first: similarities, and log probabilities of the categories."""
        judged = calibration_features(similarities, chances) @ np.array(self.photo[:-1]) + self.photo[-1]
        return np.minimum.accumulate([_logistic(float(value)) for value in judged]).tolist() if len(judged) else []

    def fused_scores(self, shares: Sequence[float]) -> list[float]:
        """Probabilities 0..1 for shares (0..1) of the best fused score."""
        share, bias = self.fused
        return [_logistic(share * value + bias) for value in shares]


def verdict(score: float) -> Verdict:
    """`match` from an even chance on, `similar` from one in ten, else `none`."""
    return "match" if score >= _MATCH else "similar" if score >= _SIMILAR else "none"


def calibration_features(similarities: Sequence[float], chances: Sequence[float] = ()) -> NDArray[np.float64]:
    """(n, 4): similarity, margin, lead and category of a ranking, best first. Without chances the last is 0."""
    values = np.asarray(similarities, np.float64)
    crowd = values[:CROWD]
    others = (crowd.sum() - np.where(np.arange(len(values)) < CROWD, values, 0.0)) / max(len(crowd) - 1, 1)
    lead = values - (others if len(crowd) > 1 else values)
    logs = np.asarray(chances, np.float64) if len(chances) else np.zeros(len(values))
    return np.stack([values, np.asarray(margins(similarities)), lead, logs], axis=1).reshape(-1, 4)


def margins(similarities: Sequence[float]) -> list[float]:
    """How far each of a ranking (best first) is ahead of the best other; 0 for one alone."""
    if len(similarities) < 2:
        return [0.0] * len(similarities)
    best, second = similarities[0], similarities[1]
    return [best - second, *(similarity - best for similarity in similarities[1:])]


def fit(features: NDArray[np.float64], right: NDArray[np.bool_], base: Calibration) -> Calibration:
    """Photo weights by penalised maximum likelihood, Newton's method.

    `features` (m, 4) are `calibration_features` of hits of held-out queries, `right` (m,) tells which hits are right.
    Returns `base` where there is nothing to learn from (no right hit or no wrong one).
    """
    if not right.any() or right.all():
        return base
    x, y = np.column_stack([features, np.ones(len(features))]), right.astype(np.float64)
    free = np.array([True, True, True, bool(np.ptp(features[:, 3]) > 0), True])
    weights = _newton(x, y, free)
    while (weights[:4] < 0).any():  # a score must not rise where a sign falls: the worst offender says nothing
        free[int(weights[:4].argmin())] = False
        weights = _newton(x, y, free)
    similarity, margin, lead, category, bias = (float(weight) for weight in weights)
    return Calibration((similarity, margin, lead, category, bias), base.fused)


def _newton(x: NDArray[np.float64], y: NDArray[np.float64], free: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights of the free columns, 0 for the others."""
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
