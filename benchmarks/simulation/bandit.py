"""Simulated logs of a ranker that draws: the true value of any other ranker is known, so estimates can be judged."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snapfind.encoders.arrays import softmax
from snapfind.ranking.off_policy import Log

__all__ = ["Market", "draw"]


@dataclass(frozen=True)
class Market:
    """Contexts of d standard normal numbers, k actions; the chance of a click is not linear in either.

    `old` (d, k) and `new` (d, k) lean the ranker that logs and the one to be judged, which show an action by softmax.
    """

    lean: NDArray[np.float64]
    bend: NDArray[np.float64]
    old: NDArray[np.float64]
    new: NDArray[np.float64]

    @classmethod
    def of(cls, seed: int, *, dim: int = 5, actions: int = 10) -> "Market":
        """Drawn from the seed: the new ranker is nearer to what shoppers want than the old one."""
        rng = np.random.default_rng(seed)
        lean, bend, stray, other = rng.standard_normal((4, dim, actions))
        return cls(lean, bend, 0.3 * lean + 0.3 * stray, 0.7 * lean + 0.3 * other)

    def chances(self, contexts: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, k) true chance of a click on each action."""
        logits = -2.0 + 0.6 * contexts @ self.lean + 0.4 * np.sin(2 * contexts) @ self.bend
        found: NDArray[np.float64] = 1 / (1 + np.exp(-logits))
        return found

    def policy(self, contexts: NDArray[np.float64], leaning: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, k) probability with which a ranker shows each action."""
        return softmax((contexts @ leaning).astype(np.float32)).astype(np.float64)

    def value(self, leaning: NDArray[np.float64], *, seed: int = 0, count: int = 200_000) -> float:
        """True mean reward of a ranker, to three digits: over so many contexts, with the chances themselves."""
        contexts = np.random.default_rng(seed).standard_normal((count, len(self.lean)))
        return float((self.policy(contexts, leaning) * self.chances(contexts)).sum(axis=1).mean())


def draw(market: Market, count: int, seed: int) -> Log:
    """`count` decisions of the old ranker, with the clicks that they earned."""
    rng = np.random.default_rng([seed, 1])
    contexts = rng.standard_normal((count, len(market.lean)))
    policy = market.policy(contexts, market.old)
    actions = (policy.cumsum(axis=1) < rng.random((count, 1)) * policy.sum(axis=1, keepdims=True)).sum(axis=1)
    actions = np.minimum(actions, policy.shape[1] - 1)
    rows = np.arange(count)
    clicked = rng.random(count) < market.chances(contexts)[rows, actions]
    return Log(contexts, actions, clicked.astype(np.float64), policy[rows, actions])
