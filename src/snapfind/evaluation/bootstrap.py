"""How sure a mean is: percentile bootstrap over the queries (Efron 1979)."""

from collections.abc import Sequence

import numpy as np

__all__ = ["bootstrap"]

_MOST = 4_000_000  # numbers drawn at a time


def bootstrap(
    values: Sequence[float], *, level: float = 0.95, rounds: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Interval of the mean of `values` at that level; the same seed gives the same interval.

    One value, or none, gives an interval of no width: it says nothing about the next query.
    """
    given = np.asarray(values, np.float64)
    if len(given) < 2:
        mean = float(given.mean()) if len(given) else 0.0
        return mean, mean
    rng = np.random.default_rng(seed)
    size = max(1, _MOST // len(given))
    means: list[float] = []
    while len(means) < rounds:
        drawn = rng.integers(len(given), size=(min(size, rounds - len(means)), len(given)))
        means.extend(given[drawn].mean(axis=1))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
