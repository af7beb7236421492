"""Weighted reciprocal rank fusion (Cormack, Clarke, Buettcher, SIGIR 2009)."""

from collections.abc import Mapping, Sequence

__all__ = ["fuse", "share"]

_K = 60  # constant of the paper: a larger value flattens the differences between ranks


def fuse(rankings: Mapping[str, Sequence[str]], weights: Mapping[str, float]) -> list[tuple[str, float]]:
    """Fuse rankings into one. The result does not depend on the order of the rankings.

    Args:
        rankings: Signal -> ids, best first.
        weights: Signal -> weight in the fusion.

    Returns:
        Pairs of id and score, best first, ties by id. The score is the sum of weight / (60 + rank), ranks from 1.
    """
    scores: dict[str, list[float]] = {}
    for name, ranking in rankings.items():
        for rank, item in enumerate(ranking, 1):
            scores.setdefault(item, []).append(weights[name] / (_K + rank))
    # sorted before summing: the sum of floats must not depend on the order of the rankings either
    fused = ((item, sum(sorted(parts))) for item, parts in scores.items())
    return sorted(fused, key=lambda pair: (-pair[1], pair[0]))


def share(score: float, weights: Mapping[str, float]) -> float:
    """Normalize a fused score by the best possible score, that of rank 1 in every ranking.

    Args:
        score: Score of `fuse`.
        weights: Weights of the rankings that can contain the item.

    Returns:
        Fraction of the best possible score, 0..1.
    """
    return score * (_K + 1) / sum(weights.values())
