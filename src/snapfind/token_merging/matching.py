"""Which tokens are merged into which: bipartite matching of even and odd places (ToMe, Bolya et al., arXiv 2210.09461).

Tokens in even places are sources, those in odd places targets; the first `prefix` tokens (class token, registers) are
neither. Each source has its best target; the `remove` sources with the highest scores are merged. What comes out is in
the order: prefix, sources that stay, targets.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

__all__ = ["Match", "match", "redundancy", "sources", "targets"]


@dataclass(frozen=True, slots=True)
class Match:
    """A matching of `tokens` tokens: places among the sources of those that stay (b, s - r) and of those that go
    (b, r), and the place among the targets (b, r) that each of the latter goes to; int64."""

    tokens: int
    prefix: int
    stay: Tensor
    go: Tensor
    to: Tensor


def sources(tokens: Tensor, prefix: int) -> Tensor:
    """(b, n, …) -> (b, s, …): the even places that are not of the prefix."""
    return tokens[:, prefix + prefix % 2 :: 2]


def targets(tokens: Tensor, prefix: int) -> Tensor:
    """(b, n, …) -> (b, t, …): the odd places that are not of the prefix."""
    return tokens[:, prefix + 1 - prefix % 2 :: 2]


def redundancy(keys: Tensor, prefix: int) -> Tensor:
    """Keys (b, heads, n, d) -> R (b, s, t) float32 in -1..1: the cosine of each source and target, keys averaged over
    heads."""
    rows = functional.normalize(keys.mean(1).float(), dim=-1)
    return sources(rows, prefix) @ targets(rows, prefix).transpose(1, 2)


def match(scores: Tensor, tokens: int, prefix: int, remove: int) -> Match:
    """Scores (b, s, t) of merging each source into each target -> the best matching that removes `remove` <= s."""
    best, to = scores.max(-1)
    order = best.argsort(dim=-1, descending=True)
    go, stay = order[:, :remove], order[:, remove:]
    return Match(tokens, prefix, stay.sort(-1).values, go, to.gather(1, go))
