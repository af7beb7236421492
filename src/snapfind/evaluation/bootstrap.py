"""Percentile bootstrap confidence interval of a mean.

Efron, "Bootstrap Methods: Another Look at the Jackknife" (1979).
"""

from collections.abc import Sequence

import numpy as np

__all__ = ["bootstrap"]

_BATCH = 4_000_000  # random numbers drawn at a time, which bounds the memory


def bootstrap(
    values: Sequence[float], *, level: float = 0.95, rounds: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Return the bootstrap confidence interval of the mean.

    Args:
        values: One value per query.
        level: Confidence level, 0..1.
        rounds: Number of resamples.
        seed: Random seed.

    Returns:
        Lower and upper bound. With fewer than two values both are the mean.
    """
    array = np.asarray(values, np.float64)
    if len(array) < 2:
        mean = float(array.mean()) if len(array) else 0.0
        return mean, mean
    rng = np.random.default_rng(seed)
    batch = max(1, _BATCH // len(array))
    means: list[float] = []
    while len(means) < rounds:
        indices = rng.integers(len(array), size=(min(batch, rounds - len(means)), len(array)))
        means.extend(array[indices].mean(axis=1))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
