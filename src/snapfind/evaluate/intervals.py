"""How sure a mean is: percentile bootstrap over queries.

Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13. Queries are drawn with replacement; the
interval is where the middle 95 % of the means fall. With fewer than about 20 queries it is too narrow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snapfind.errors import BadInput

__all__ = ["Interval", "interval", "resampled_means"]

_CHUNK = 4_000_000  # drawn numbers held at a time: 32 MB


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over `n` queries and the bounds between which it would fall in `level` of repeated samples."""

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def interval(values: Sequence[float], *, level: float = 0.95, draws: int = 2000, seed: int = 0) -> Interval:
    """Mean of a metric over queries with its bootstrap interval; the same seed gives the same interval.

    Raises BadInput on no values or a level outside 0..1.

    >>> str(interval([1, 0, 1, 1]))
    '0.750 [0.250, 1.000]'
    """
    if len(values) == 0:
        raise BadInput("no query was answered, so there is no mean; give at least one query")
    if not 0 < level < 1:
        raise BadInput(f"level {level}: give a fraction between 0 and 1, usually 0.95", field="level")
    found = np.asarray(values, np.float64)
    means = resampled_means(found, draws, seed)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(found.mean()), float(low), float(high), len(found))


def resampled_means(values: NDArray[np.float64], draws: int, seed: int) -> NDArray[np.float64]:
    """(n,) -> (draws,) means of n values drawn with replacement."""
    chance = np.random.default_rng(seed)
    at_once = max(1, _CHUNK // len(values))
    parts = [
        values[chance.integers(0, len(values), (min(at_once, draws - start), len(values)))].mean(axis=1)
        for start in range(0, draws, at_once)
    ]
    return np.concatenate(parts)
