"""Bipartite soft matching of tokens (ToMe, Bolya et al., arXiv 2210.09461): which tokens are merged into which.

Tokens at even positions are sources, those at odd positions targets. The first `prefix` tokens (class token, registers)
are neither. Each source has one best target, and the `remove` sources with the highest scores are merged. The order of
the output is: prefix, sources that stay, targets.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

__all__ = ["Match", "match", "redundancy", "sources", "targets"]


@dataclass(frozen=True, slots=True)
class Match:
    """A matching.

    Attributes:
        tokens: Number of tokens.
        prefix: Number of tokens that never merge.
        unmerged: (b, s - r) int64 positions among the sources of those that stay.
        merged: (b, r) int64 positions among the sources of those that are merged.
        target: (b, r) int64 position among the targets that each of them is merged into.
    """

    tokens: int
    prefix: int
    unmerged: Tensor
    merged: Tensor
    target: Tensor


def sources(tokens: Tensor, prefix: int) -> Tensor:
    """Return the tokens at even positions without the prefix: (b, n, …) to (b, s, …)."""
    return tokens[:, prefix + prefix % 2 :: 2]


def targets(tokens: Tensor, prefix: int) -> Tensor:
    """Return the tokens at odd positions without the prefix: (b, n, …) to (b, t, …)."""
    return tokens[:, prefix + 1 - prefix % 2 :: 2]


def redundancy(keys: Tensor, prefix: int) -> Tensor:
    """Compute the cosine of each source and target, with keys averaged over heads.

    Args:
        keys: (b, heads, n, d) keys.
        prefix: Number of tokens that never merge.

    Returns:
        (b, s, t) float32 in -1..1.
    """
    rows = functional.normalize(keys.mean(1).float(), dim=-1)
    return sources(rows, prefix) @ targets(rows, prefix).transpose(1, 2)


def match(scores: Tensor, tokens: int, prefix: int, remove: int) -> Match:
    """Find the best matching.

    Args:
        scores: (b, s, t) scores of merging each source into each target.
        tokens: Number of tokens.
        prefix: Number of tokens that never merge.
        remove: Number of sources to merge, at most s.

    Returns:
        The matching.
    """
    best, target = scores.max(-1)
    order = best.argsort(dim=-1, descending=True)
    merged, unmerged = order[:, :remove], order[:, remove:]
    return Match(tokens, prefix, unmerged.sort(-1).values, merged, target.gather(1, merged))
