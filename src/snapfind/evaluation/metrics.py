"""Ranking metrics per query: precision, recall, average precision, nDCG, reciprocal rank.

All values are in 0..1 and higher is better. Definitions after Manning, Raghavan, Schütze, "Introduction to Information
Retrieval" (2008), chapter 8, and Järvelin, Kekäläinen (2002) for nDCG, with binary gains.
"""

import math
from collections.abc import Callable, Collection, Sequence

__all__ = ["METRICS", "average_precision", "ndcg", "precision", "recall", "reciprocal_rank"]

Metric = Callable[[Sequence[str], Collection[str]], float]


def recall(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Return recall@k, the fraction of the relevant ids among the first k.

    Args:
        ranked: Ids, best first, each once.
        relevant: The right ids, at least one.
        k: Cutoff, at least 1.

    Returns:
        Value in 0..1. With one relevant id it is 1 if it is among the first k, else 0.
    """
    return len(set(ranked[:k]) & set(relevant)) / len(set(relevant))


def precision(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Return precision@k, the fraction of the first k ids that is relevant.

    Args:
        ranked: Ids, best first, each once. Missing places count as wrong.
        relevant: The right ids.
        k: Cutoff, at least 1.

    Returns:
        Value in 0..1.
    """
    return len(set(ranked[:k]) & set(relevant)) / k


def average_precision(ranked: Sequence[str], relevant: Collection[str]) -> float:
    """Return average precision: the mean of the precision at the rank of each relevant id. Its mean is mAP.

    Args:
        ranked: Ids, best first, each once.
        relevant: The right ids, at least one. One that is not ranked counts as 0.

    Returns:
        Value in 0..1.
    """
    hits, total = 0, 0.0
    for rank, one in enumerate(ranked, 1):
        if one in relevant:
            hits += 1
            total += hits / rank
    return total / len(set(relevant))


def ndcg(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Return nDCG@k with binary gains: sum of 1 / log2(rank + 1) over the relevant ids, divided by the best possible.

    Args:
        ranked: Ids, best first, each once.
        relevant: The right ids, at least one.
        k: Cutoff, at least 1.

    Returns:
        Value in 0..1.
    """
    gain = sum(1 / math.log2(rank + 1) for rank, one in enumerate(ranked[:k], 1) if one in relevant)
    best = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(set(relevant))) + 1))
    return gain / best


def reciprocal_rank(ranked: Sequence[str], relevant: Collection[str]) -> float:
    """Return 1 / rank of the first relevant id. Its mean is MRR.

    Args:
        ranked: Ids, best first, each once.
        relevant: The right ids.

    Returns:
        Value in 0..1; 0 if no relevant id is ranked.
    """
    return next((1 / rank for rank, one in enumerate(ranked, 1) if one in relevant), 0.0)


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
