"""How good one ranking is, 0..1. Each metric takes the ranked ids, best first, and the set of relevant ids.

Ids are distinct; a repeated id counts where it is met first. Ties have been broken by whoever ranked. A query without
a relevant id has no metric: that is an error here, not a quiet zero.
Sources: Manning, Raghavan & Schütze, "Introduction to Information Retrieval" (2008), chapter 8; Järvelin &
Kekäläinen, "Cumulated gain-based evaluation of IR techniques" (2002); formulas as in trec_eval.
"""

import math
from collections.abc import Hashable, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar

from snapfind.errors import BadInput

__all__ = ["average_precision", "hit_at", "ndcg_at", "precision_at", "recall_at", "reciprocal_rank"]

_Id = TypeVar("_Id", bound=Hashable)


def recall_at(k: int, ranked: Sequence[_Id], relevant: AbstractSet[_Id]) -> float:
    """|relevant among the first k| / |relevant|."""
    return sum(_gains(ranked, relevant)[: _checked(k)]) / len(relevant)


def precision_at(k: int, ranked: Sequence[_Id], relevant: AbstractSet[_Id]) -> float:
    """|relevant among the first k| / k; a ranking shorter than k is filled with misses."""
    return sum(_gains(ranked, relevant)[: _checked(k)]) / k


def hit_at(k: int, ranked: Sequence[_Id], relevant: AbstractSet[_Id]) -> float:
    """1 if any of the first k is relevant, else 0: what most papers on product search call recall@k."""
    return float(any(_gains(ranked, relevant)[: _checked(k)]))


def reciprocal_rank(ranked: Sequence[_Id], relevant: AbstractSet[_Id]) -> float:
    """1 / rank of the first relevant id, 0 where none is found; its mean is MRR."""
    return next((1 / rank for rank, gain in enumerate(_gains(ranked, relevant), 1) if gain), 0.0)


def average_precision(ranked: Sequence[_Id], relevant: AbstractSet[_Id]) -> float:
    """1/|relevant| · sum over ranks r of relevant ids of precision@r; its mean is MAP.

    Relevant ids that were not found count as zeros.
    """
    found, total = 0, 0.0
    for rank, gain in enumerate(_gains(ranked, relevant), 1):
        if gain:
            found += 1
            total += found / rank
    return total / len(relevant)


def ndcg_at(k: int, ranked: Sequence[_Id], relevant: AbstractSet[_Id]) -> float:
    """DCG@k / DCG@k of a perfect ranking, DCG = sum of gain / log2(rank + 1), gains 0 or 1."""
    gained = _gains(ranked, relevant)[: _checked(k)]
    perfect = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(relevant)) + 1))
    return sum(1 / math.log2(rank + 1) for rank, gain in enumerate(gained, 1) if gain) / perfect


def _gains(ranked: Sequence[_Id], relevant: AbstractSet[_Id]) -> list[bool]:
    """Whether each distinct id, best first, is relevant."""
    if not relevant:
        raise BadInput("a query without a relevant id cannot be measured; leave it out")
    return [identity in relevant for identity in dict.fromkeys(ranked)]


def _checked(k: int) -> int:
    if k < 1:
        raise BadInput(f"k={k}: give the number of first hits that count, from 1", field="k")
    return k
