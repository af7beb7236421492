"""How little a token says: E = R - alpha * A, redundancy against semantic value (Turbo, arXiv 2407.11717, section 3).

R is the cosine to its best match, A the attention it receives: from the class token where there is one, else from all
tokens on average. A rule with `alpha` 0 is ToMe; one with a very large alpha goes by value alone.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from snapfind.core.errors import BadInput

__all__ = ["Informativity", "Rule", "attention_received"]

_FACTOR, _TOKENS = 30.0, 577  # the published code multiplies A by 30, at 384 px: 577 tokens


class Rule(Protocol):
    """What ranks merges."""

    @property
    def needs_value(self) -> bool:
        """Whether A is worth its work; where not, `scores` gets None."""

    def scores(self, redundancy: Tensor, value: Tensor | None, block: int, tokens: int) -> Tensor:
        """R (b, s, t) and A (b, s) at block 0… of a model of `tokens` tokens -> (b, s, t); the highest merge first."""


@dataclass(frozen=True, slots=True)
class Informativity:
    """score = R - alpha * beta ** |gamma - block| * 30 * (n / 577) * A, with n the tokens that the model begins with.

    The published code has no n / 577: its alpha of 5 is for 577 tokens. A is about 1/n, so without the rescaling the
    term would drown R in a model of fewer tokens. Raises BadInput where alpha is negative or beta outside 0..1.
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
        """Not for ToMe."""
        return self.alpha > 0

    def scores(self, redundancy: Tensor, value: Tensor | None, block: int, tokens: int) -> Tensor:
        """As in Rule."""
        if value is None:
            return redundancy
        weight = self.alpha * self.beta ** abs(self.gamma - block) * _FACTOR * tokens / _TOKENS
        return redundancy - weight * value[:, :, None]


def attention_received(queries: Tensor, keys: Tensor, bias: Tensor | None, scale: float, weights: Tensor) -> Tensor:
    """A (b, n) float32: what m queries (b, heads, m, d) give each of n keys (b, heads, n, d), on average over heads
    and, by `weights` (b, m) that sum to 1, over queries. Softmaxed, with the log sizes `bias` (b, 1, 1, n).

    With the class token as the one query it is the paper's A; with all tokens it is the column mean of self-attention,
    each row counted as often as the row's token stands for patches.
    """
    logits = (queries.float() * scale) @ keys.float().transpose(-2, -1)
    shares = (logits if bias is None else logits + bias.float()).softmax(-1).mean(1)
    return (weights[:, None, :] @ shares).squeeze(1) if shares.shape[1] > 1 else shares.squeeze(1)
