"""Paired randomization test: is one run better than another on the same queries?

Smucker, Allan, Carterette, "A Comparison of Statistical Significance Tests for Information Retrieval Evaluation"
(CIKM 2007).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from snapfind.core.errors import BadInput
from snapfind.evaluation.bootstrap import bootstrap

__all__ = ["Difference", "difference"]


@dataclass(frozen=True, slots=True)
class Difference:
    """Difference of the means of two runs.

    Args:
        mean: Mean of ours minus mean of theirs.
        low: Lower bound of the 95 % bootstrap interval.
        high: Upper bound of the interval.
        p: Two-sided p-value of the randomization test, 0..1.
    """

    mean: float
    low: float
    high: float
    p: float


def difference(ours: Sequence[float], theirs: Sequence[float], *, rounds: int = 5000, seed: int = 0) -> Difference:
    """Compare two runs over the same queries.

    Args:
        ours: One value per query.
        theirs: Values of the other run for the same queries in the same order.
        rounds: Number of random sign assignments.
        seed: Random seed.

    Returns:
        Mean difference, interval and p-value.

    Raises:
        BadInput: The lengths differ.
    """
    if len(ours) != len(theirs):
        raise BadInput(f"the runs have {len(ours)} and {len(theirs)} queries; compare runs over the same queries")
    gaps = np.asarray(ours, np.float64) - np.asarray(theirs, np.float64)
    mean = float(gaps.mean()) if len(gaps) else 0.0
    low, high = bootstrap(gaps.tolist(), seed=seed)
    rng = np.random.default_rng(seed)
    as_large = 0
    for _ in range(rounds):
        signs = rng.integers(0, 2, len(gaps)) * 2 - 1
        as_large += abs(float((signs * gaps).mean())) >= abs(mean) - 1e-12 if len(gaps) else 1
    # The observed assignment is one of the possible ones, so 1 is added to both counts.
    return Difference(mean, low, high, (as_large + 1) / (rounds + 1))
