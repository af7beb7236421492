"""Informativity of a token: E = R - alpha * A, redundancy minus semantic value (Turbo, arXiv 2407.11717, section 3).

R is the cosine to the best match. A is the attention that a token receives: from the class token if there is one, else
from all tokens on average. With `alpha` 0 this is ToMe. With a very large alpha only the value counts.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from snapfind.core.errors import BadInput

__all__ = ["Informativity", "Rule", "attention_received"]

_FACTOR, _TOKENS = 30.0, 577  # the published code multiplies A by 30, at 384 px: 577 tokens


class Rule(Protocol):
    """Ranks merges."""

    @property
    def needs_value(self) -> bool:
        """Whether `scores` uses the value A. If not, it gets None."""

    def scores(self, redundancy: Tensor, value: Tensor | None, block: int, tokens: int) -> Tensor:
        """Score merges.

        Args:
            redundancy: (b, s, t) R.
            value: (b, s) A, or None.
            block: Index of the block.
            tokens: Number of tokens that the model begins with.

        Returns:
            (b, s, t) scores. The highest are merged first.
        """


@dataclass(frozen=True, slots=True)
class Informativity:
    """score = R - alpha * beta ** |gamma - block| * 30 * (n / 577) * A, where the model begins with n tokens.

    The published code has no n / 577, so its alpha of 5 is for 577 tokens. A is about 1/n, so without the rescaling the
    term would dominate R in a model with fewer tokens.

    Args:
        alpha: Weight of the value, 0 or more. 0 is ToMe.
        beta: Damping of alpha per block, above 0 and at most 1.
        gamma: Block at which alpha is not damped.

    Raises:
        BadInput: A value is out of range.
    """

    alpha: float = 5.0
    beta: float = 1.0
    gamma: float = 0.0

    def __post_init__(self) -> None:
        if self.alpha < 0:
            raise BadInput(f"alpha is {self.alpha}; it weighs the value of a token and is 0 (ToMe) or more")
        if not 0 < self.beta <= 1:
            raise BadInput(f"beta is {self.beta}; it damps alpha from block to block and lies in 0..1, 0 left out")

    @property
    def needs_value(self) -> bool:
        """Whether alpha is positive."""
        return self.alpha > 0

    def scores(self, redundancy: Tensor, value: Tensor | None, block: int, tokens: int) -> Tensor:
        """Return the (b, s, t) scores as in `Rule`."""
        if value is None:
            return redundancy
        weight = self.alpha * self.beta ** abs(self.gamma - block) * _FACTOR * tokens / _TOKENS
        return redundancy - weight * value[:, :, None]


def attention_received(queries: Tensor, keys: Tensor, bias: Tensor | None, scale: float, weights: Tensor) -> Tensor:
    """Compute the attention that each key receives, averaged over heads and queries.

    With the class token as the only query this is A of the paper. With all tokens it is the column mean of
    self-attention, weighted by the sizes of the tokens.

    Args:
        queries: (b, heads, m, d) queries.
        keys: (b, heads, n, d) keys.
        bias: (b, 1, 1, n) logarithms of the sizes, or None.
        scale: Factor of the logits.
        weights: (b, m) weights of the queries that sum to 1.

    Returns:
        (b, n) float32.
    """
    logits = (queries.float() * scale) @ keys.float().transpose(-2, -1)
    shares = (logits if bias is None else logits + bias.float()).softmax(-1).mean(1)
    return (weights[:, None, :] @ shares).squeeze(1) if shares.shape[1] > 1 else shares.squeeze(1)
