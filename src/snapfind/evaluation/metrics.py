"""How good a ranking is, one query at a time; every value lies in 0..1, more is better.

Rankings are ids, best first, each once; `relevant` are the ids that are right, at least one. Definitions after Manning,
Raghavan, Schuetze, "Introduction to Information Retrieval" (2008), chapter 8; nDCG after Jarvelin & Kekalainen (2002)
with binary gains.
"""

import math
from collections.abc import Callable, Collection, Sequence

__all__ = ["METRICS", "average_precision", "ndcg", "precision", "recall", "reciprocal_rank"]

Metric = Callable[[Sequence[str], Collection[str]], float]


def recall(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Fraction of the relevant that is among the first k. With one relevant id: whether it is there."""
    return len(set(ranked[:k]) & set(relevant)) / len(set(relevant))


def precision(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Fraction of the first k that is relevant; places that are not filled count as wrong."""
    return len(set(ranked[:k]) & set(relevant)) / k


def average_precision(ranked: Sequence[str], relevant: Collection[str]) -> float:
    """Mean over the relevant of the precision where each is found; 0 for one that is not. Its mean is MAP."""
    found, total = 0, 0.0
    for place, one in enumerate(ranked, 1):
        if one in relevant:
            found += 1
            total += found / place
    return total / len(set(relevant))


def ndcg(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Discounted gain of the first k, sum of 1 / log2(place + 1) over the relevant, as a part of the best possible."""
    gain = sum(1 / math.log2(place + 1) for place, one in enumerate(ranked[:k], 1) if one in relevant)
    best = sum(1 / math.log2(place + 1) for place in range(1, min(k, len(set(relevant))) + 1))
    return gain / best


def reciprocal_rank(ranked: Sequence[str], relevant: Collection[str]) -> float:
    """1 / place of the first relevant id, 0 when there is none. Its mean is MRR."""
    return next((1 / place for place, one in enumerate(ranked, 1) if one in relevant), 0.0)


def _at(metric: Callable[[Sequence[str], Collection[str], int], float], k: int) -> Metric:
    return lambda ranked, relevant: metric(ranked, relevant, k)


METRICS: dict[str, Metric] = {
    "precision@1": _at(precision, 1),
    "recall@1": _at(recall, 1),
    "recall@5": _at(recall, 5),
    "recall@10": _at(recall, 10),
    "map": average_precision,
    "ndcg@10": _at(ndcg, 10),
    "mrr": reciprocal_rank,
}
