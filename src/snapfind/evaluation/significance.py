"""Is one run better than another on the same queries? Paired randomization test (Smucker et al. 2007)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from snapfind.core.errors import BadInput
from snapfind.evaluation.bootstrap import bootstrap

__all__ = ["Difference", "difference"]


@dataclass(frozen=True, slots=True)
class Difference:
    """`mean` of ours minus theirs, its bootstrap interval, and the chance `p` of one as large if there were none."""

    mean: float
    low: float
    high: float
    p: float


def difference(ours: Sequence[float], theirs: Sequence[float], *, rounds: int = 5000, seed: int = 0) -> Difference:
    """Compare values of the same queries in the same order, two-sided. Raises BadInput when they do not pair."""
    if len(ours) != len(theirs):
        raise BadInput(f"{len(ours)} queries against {len(theirs)}: compare runs over the same queries")
    gaps = np.asarray(ours, np.float64) - np.asarray(theirs, np.float64)
    mean = float(gaps.mean()) if len(gaps) else 0.0
    low, high = bootstrap(gaps.tolist(), seed=seed)
    rng = np.random.default_rng(seed)
    as_large = 0
    for _ in range(rounds):
        signs = rng.integers(0, 2, len(gaps)) * 2 - 1
        as_large += abs(float((signs * gaps).mean())) >= abs(mean) - 1e-12 if len(gaps) else 1
    # one is added to both: the order seen is itself one of the possible ones
    return Difference(mean, low, high, (as_large + 1) / (rounds + 1))
