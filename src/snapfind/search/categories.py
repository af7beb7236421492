"""Which category of the shop a query shows: the vote of the nearest products (Zhang et al., "Visual Search at
Alibaba", arXiv 2102.04674, section 3.1), weighted by how near they are.
"""

import math
from collections.abc import Sequence

from snapfind.index.port import Found
from snapfind.types import CategoryGuess

__all__ = ["vote"]

_VOTERS = 20
_TEMPERATURE = 0.05  # in cosine: a neighbour that much further away weighs a third


def vote(nearest: Sequence[Found]) -> tuple[CategoryGuess, ...]:
    """Categories of the nearest products, best first; probabilities sum to 1. Empty where no product has one."""
    voters = [found for found in nearest[:_VOTERS] if found.payload.get("category")]
    weights: dict[str, float] = {}
    for found in voters:
        weight = math.exp((found.score - voters[0].score) / _TEMPERATURE)
        category = str(found.payload["category"])
        weights[category] = weights.get(category, 0.0) + weight
    total = sum(weights.values())
    ranked = sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(CategoryGuess(category, weight / total) for category, weight in ranked)
