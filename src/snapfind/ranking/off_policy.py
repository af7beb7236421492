"""What a new ranker would have earned, from the log of an old one: IPS, SNIPS, doubly robust, with intervals.

A row of the log is one decision: `actions` was shown with probability `propensities` and earned `rewards`. The new
policy is the probability with which it would show each action there. IPS after Horvitz & Thompson (1952), SNIPS after
Swaminathan & Joachims (2015), doubly robust after Dudik et al. (arXiv 1103.4601), its reward model fitted on the folds
that a row is not in (Chernozhukov et al., arXiv 1608.00060). Intervals are normal, from the spread of the rows'
contributions; SNIPS by the delta method.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snapfind.core.errors import BadInput

__all__ = ["Estimate", "Log", "doubly_robust", "ips", "logistic_rewards", "snips", "weights_of"]

_Z, _ROUNDING = 1.96, 1e-3
Rewards = Callable[["Log", "Log"], NDArray[np.float64]]  # fitted on the first log: (n, actions) of the second's rows


@dataclass(frozen=True, slots=True)
class Log:
    """n decisions: `contexts` (n, d), `actions` (n,) 0..k-1, `rewards` (n,), `propensities` (n,) of what was shown,
    in (0, 1]. Raises BadInput where lengths differ, a number is none, or a value lies outside.
    """

    contexts: NDArray[np.float64]
    actions: NDArray[np.int64]
    rewards: NDArray[np.float64]
    propensities: NDArray[np.float64]

    def __post_init__(self) -> None:
        lengths = {len(self.contexts), len(self.actions), len(self.rewards), len(self.propensities)}
        if len(lengths) > 1 or not len(self.actions):
            raise BadInput("a log needs a context, an action, a reward and a propensity in every row")
        if not ((self.propensities > 0) & (self.propensities <= 1)).all():
            raise BadInput("propensities lie above 0, at most 1; log the probability of what was shown")
        if not (np.isfinite(self.contexts).all() and np.isfinite(self.rewards).all()):
            raise BadInput("a context or a reward of the log is no number; leave those rows out")
        if (self.actions < 0).any():
            raise BadInput("actions are numbered from 0; the log has one below")

    def __len__(self) -> int:
        return len(self.actions)

    def take(self, rows: NDArray[np.int64]) -> "Log":
        """Those rows."""
        return Log(self.contexts[rows], self.actions[rows], self.rewards[rows], self.propensities[rows])


@dataclass(frozen=True, slots=True)
class Estimate:
    """Mean reward a decision, with its 95 % interval. `effective` is how many rows the weights leave (Kish 1965):
    far fewer than the log has, and the interval is not to be trusted.
    """

    value: float
    low: float
    high: float
    effective: float

    def covers(self, truth: float) -> bool:
        """Whether the interval holds it."""
        return self.low <= truth <= self.high


def weights_of(log: Log, policy: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) how much more often the new policy shows what was shown; `policy` is (n, k), rows sum to 1.

    Raises BadInput for a policy of another log, or whose rows are no probabilities.
    """
    if len(policy) != len(log):
        raise BadInput(f"a policy for {len(policy)} decisions, a log of {len(log)}")
    if policy.ndim != 2 or policy.shape[1] <= log.actions.max():
        raise BadInput(f"the log has action {log.actions.max()}; a policy needs a column for each, from 0")
    sums = policy.sum(axis=1)
    if not ((policy >= 0).all() and (np.abs(sums - 1) < _ROUNDING).all()):
        raise BadInput(
            f"rows of a policy are probabilities and sum to 1; here they sum to {sums.min():g}..{sums.max():g}"
        )
    found: NDArray[np.float64] = policy[np.arange(len(log)), log.actions] / log.propensities
    return found


def ips(log: Log, policy: NDArray[np.float64]) -> Estimate:
    """Rewards weighted by `weights_of`: unbiased where every action that is wanted had a chance."""
    weights = weights_of(log, policy)
    return _normal(weights * log.rewards, weights)


def snips(log: Log, policy: NDArray[np.float64]) -> Estimate:
    """The same divided by the mean weight: a little biased, much steadier."""
    weights = weights_of(log, policy)
    mean = float(weights.mean())
    if mean == 0:
        raise BadInput("the new policy shows nothing that the log shows; nothing can be told")
    value = float((weights * log.rewards).mean()) / mean
    return _normal(value + weights * (log.rewards - value) / mean, weights)


def doubly_robust(
    log: Log, policy: NDArray[np.float64], rewards: Rewards | None = None, *, folds: int = 2, seed: int = 0
) -> Estimate:
    """A model of the reward, corrected by what it misses in the log: right where the model or the propensities are.

    `rewards(past, rows)` fits on one log and gives the (n, k) expected rewards of another's rows; by default
    `logistic_rewards`. Raises BadInput.
    """
    weights, told = weights_of(log, policy), np.zeros(policy.shape)
    rewards = rewards or logistic_rewards(policy.shape[1])
    fold = np.random.default_rng(seed).permutation(len(log)) % folds
    for one in range(folds):
        rows = np.flatnonzero(fold == one)
        told[rows] = rewards(log.take(np.flatnonzero(fold != one)), log.take(rows))
    shown = told[np.arange(len(log)), log.actions]
    return _normal((policy * told).sum(axis=1) + weights * (log.rewards - shown), weights)


def logistic_rewards(actions: int, *, penalty: float = 3.0) -> Rewards:
    """A logistic regression of a reward 0 or 1, by Newton's method: a bias and weights of the context for each action,
    held down to those that all share by `penalty`.
    """

    def rewards(past: Log, rows: Log) -> NDArray[np.float64]:
        x = _design(past.contexts, past.actions, actions)
        weights = np.zeros(x.shape[1])
        weights[-1] = np.log((past.rewards.mean() + 1e-3) / (1 - past.rewards.mean() + 1e-3))
        start = weights.copy()
        hold = penalty * np.r_[np.ones(x.shape[1] - 1), 1e-3]
        for _ in range(20):
            said = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
            gradient = x.T @ (said - past.rewards) + hold * (weights - start)
            step = np.linalg.solve((x * (said * (1 - said))[:, None]).T @ x + np.diag(hold), gradient)
            weights -= step
            if float(np.abs(step).max()) < 1e-6:
                break
        each = [_design(rows.contexts, np.full(len(rows), one), actions) @ weights for one in range(actions)]
        return 1 / (1 + np.exp(-np.clip(np.stack(each, axis=1), -30, 30)))

    return rewards


def _design(contexts: NDArray[np.float64], actions: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """(n, d + k (d + 1) + 1): contexts, each action's own bias and contexts, 1."""
    ones = np.ones((len(contexts), 1))
    own = np.eye(count)[actions][:, :, None] * np.concatenate([ones, contexts], axis=1)[:, None, :]
    return np.concatenate([contexts, own.reshape(len(contexts), -1), ones], axis=1)


def _normal(parts: NDArray[np.float64], weights: NDArray[np.float64]) -> Estimate:
    """From n independent contributions whose mean is the estimate."""
    value = float(parts.mean())
    half = _Z * float(parts.std(ddof=1)) / np.sqrt(len(parts)) if len(parts) > 1 else 0.0
    squares = float((weights**2).sum())
    effective = float(weights.sum()) ** 2 / squares if squares else 0.0
    return Estimate(value, float(value - half), float(value + half), effective)
