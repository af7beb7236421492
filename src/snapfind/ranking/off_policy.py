"""Off-policy evaluation: the reward of a new ranker, estimated from the log of another: IPS, SNIPS, doubly robust.

A row of the log is one decision: an action was shown with a known propensity and earned a reward. The new policy is the
probability with which it would show each action. IPS after Horvitz & Thompson (1952), SNIPS after Swaminathan &
Joachims (2015), doubly robust after Dudik et al. (arXiv 1103.4601) with cross-fitting of the reward model (Chernozhukov
et al., arXiv 1608.00060). Confidence intervals are normal, from the variance of the contributions of the rows. That of
SNIPS uses the delta method.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snapfind.core.errors import BadInput

__all__ = ["Estimate", "Log", "doubly_robust", "importance_weights", "ips", "logistic_rewards", "snips"]

_Z, _ROUNDING = 1.96, 1e-3
Rewards = Callable[["Log", "Log"], NDArray[np.float64]]  # fitted on the first log: (n, actions) of the second's rows


@dataclass(frozen=True, slots=True)
class Log:
    """n logged decisions.

    Attributes:
        contexts: (n, d) float64 contexts.
        actions: (n,) int64 actions 0..k-1.
        rewards: (n,) float64 rewards.
        propensities: (n,) float64 probabilities of the shown actions, above 0 and at most 1.

    Raises:
        BadInput: Lengths differ, a value is NaN or infinite, or a value is out of range.
    """

    contexts: NDArray[np.float64]
    actions: NDArray[np.int64]
    rewards: NDArray[np.float64]
    propensities: NDArray[np.float64]

    def __post_init__(self) -> None:
        lengths = {len(self.contexts), len(self.actions), len(self.rewards), len(self.propensities)}
        if len(lengths) > 1 or not len(self.actions):
            raise BadInput("A log needs a context, an action, a reward and a propensity in every row.")
        if not ((self.propensities > 0) & (self.propensities <= 1)).all():
            raise BadInput("Propensities must be above 0 and at most 1. Log the probability of the shown action.")
        if not (np.isfinite(self.contexts).all() and np.isfinite(self.rewards).all()):
            raise BadInput("A context or a reward of the log is NaN or infinite. Leave those rows out.")
        if (self.actions < 0).any():
            raise BadInput("Actions are numbered from 0. The log has a negative one.")

    def __len__(self) -> int:
        return len(self.actions)

    def take(self, rows: NDArray[np.int64]) -> "Log":
        """Return some of the decisions."""
        return Log(self.contexts[rows], self.actions[rows], self.rewards[rows], self.propensities[rows])


@dataclass(frozen=True, slots=True)
class Estimate:
    """Mean reward per decision with its 95 % confidence interval.

    Attributes:
        value: The estimate.
        low: Lower end of the interval.
        high: Upper end of the interval.
        effective: Effective sample size (Kish 1965). If it is far below the size of the log, the interval is not
            reliable.
    """

    value: float
    low: float
    high: float
    effective: float

    def covers(self, truth: float) -> bool:
        """Return whether the interval contains a value."""
        return self.low <= truth <= self.high


def importance_weights(log: Log, policy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute importance weights: the probability under the new policy divided by the propensity.

    Args:
        log: The log.
        policy: (n, k) probabilities of the new policy.

    Returns:
        (n,) float64 weights.

    Raises:
        BadInput: The policy is of another log, or its rows are no probabilities.
    """
    if len(policy) != len(log):
        raise BadInput(f"The policy has {len(policy)} decisions, the log has {len(log)}.")
    if policy.ndim != 2 or policy.shape[1] <= log.actions.max():
        raise BadInput(f"The log has action {log.actions.max()}. A policy needs a column for each action from 0.")
    sums = policy.sum(axis=1)
    if not ((policy >= 0).all() and (np.abs(sums - 1) < _ROUNDING).all()):
        raise BadInput(
            f"Rows of a policy are probabilities that sum to 1. These sum to {sums.min():g}..{sums.max():g}."
        )
    weights: NDArray[np.float64] = policy[np.arange(len(log)), log.actions] / log.propensities
    return weights


def ips(log: Log, policy: NDArray[np.float64]) -> Estimate:
    """Estimate by inverse propensity scoring. Unbiased if every action of the new policy had a chance.

    Args:
        log: The log.
        policy: (n, k) probabilities of the new policy.

    Returns:
        The estimate.

    Raises:
        BadInput: As `importance_weights`.
    """
    weights = importance_weights(log, policy)
    return _normal(weights * log.rewards, weights)


def snips(log: Log, policy: NDArray[np.float64]) -> Estimate:
    """Estimate by self-normalized inverse propensity scoring: slightly biased, with a much lower variance.

    Args:
        log: The log.
        policy: (n, k) probabilities of the new policy.

    Returns:
        The estimate.

    Raises:
        BadInput: The policy shows no action of the log. Also as `importance_weights`.
    """
    weights = importance_weights(log, policy)
    mean = float(weights.mean())
    if mean == 0:
        raise BadInput("The new policy shows no action of the log, so its value cannot be estimated.")
    value = float((weights * log.rewards).mean()) / mean
    return _normal(value + weights * (log.rewards - value) / mean, weights)


def doubly_robust(
    log: Log, policy: NDArray[np.float64], rewards: Rewards | None = None, *, folds: int = 2, seed: int = 0
) -> Estimate:
    """Estimate by a reward model that is corrected by its errors in the log.

    The estimate is consistent if the model or the propensities are correct.

    Args:
        log: The log.
        policy: (n, k) probabilities of the new policy.
        rewards: Fits a reward model on a first log and returns the (m, k) expected rewards of a second.
            `logistic_rewards` by default.
        folds: Folds of the cross-fitting.
        seed: Random seed of the folds.

    Returns:
        The estimate.

    Raises:
        BadInput: As `importance_weights`.
    """
    weights, expected = importance_weights(log, policy), np.zeros(policy.shape)
    rewards = rewards or logistic_rewards(policy.shape[1])
    fold = np.random.default_rng(seed).permutation(len(log)) % folds
    for index in range(folds):
        rows = np.flatnonzero(fold == index)
        expected[rows] = rewards(log.take(np.flatnonzero(fold != index)), log.take(rows))
    logged = expected[np.arange(len(log)), log.actions]
    return _normal((policy * expected).sum(axis=1) + weights * (log.rewards - logged), weights)


def logistic_rewards(actions: int, *, penalty: float = 3.0) -> Rewards:
    """Make a logistic regression of binary rewards, fitted by Newton's method.

    Each action has a bias and weights of the context, regularized towards those shared by all actions.

    Args:
        actions: Number of actions.
        penalty: L2 penalty.

    Returns:
        A function from a log and rows to (n, actions) expected rewards.
    """

    def rewards(past: Log, rows: Log) -> NDArray[np.float64]:
        x = _design(past.contexts, past.actions, actions)
        weights = np.zeros(x.shape[1])
        weights[-1] = np.log((past.rewards.mean() + 1e-3) / (1 - past.rewards.mean() + 1e-3))
        start = weights.copy()
        hold = penalty * np.r_[np.ones(x.shape[1] - 1), 1e-3]
        for _ in range(20):
            predicted = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
            gradient = x.T @ (predicted - past.rewards) + hold * (weights - start)
            step = np.linalg.solve((x * (predicted * (1 - predicted))[:, None]).T @ x + np.diag(hold), gradient)
            weights -= step
            if float(np.abs(step).max()) < 1e-6:
                break
        each = [_design(rows.contexts, np.full(len(rows), index), actions) @ weights for index in range(actions)]
        return 1 / (1 + np.exp(-np.clip(np.stack(each, axis=1), -30, 30)))

    return rewards


def _design(contexts: NDArray[np.float64], actions: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Return (n, d + k (d + 1) + 1): contexts, bias and weights of the row's action, 1."""
    ones = np.ones((len(contexts), 1))
    own = np.eye(count)[actions][:, :, None] * np.concatenate([ones, contexts], axis=1)[:, None, :]
    return np.concatenate([contexts, own.reshape(len(contexts), -1), ones], axis=1)


def _normal(parts: NDArray[np.float64], weights: NDArray[np.float64]) -> Estimate:
    """Return the estimate of n independent contributions, whose mean is the value."""
    value = float(parts.mean())
    half = _Z * float(parts.std(ddof=1)) / np.sqrt(len(parts)) if len(parts) > 1 else 0.0
    squares = float((weights**2).sum())
    effective = float(weights.sum()) ** 2 / squares if squares else 0.0
    return Estimate(value, float(value - half), float(value + half), effective)
