"""Several rankings into one: reciprocal rank fusion (Cormack, Clarke, Buettcher 2009), with a weight per ranking."""

from collections.abc import Mapping, Sequence

__all__ = ["fuse", "share"]

_K = 60  # the constant of the paper: how slowly a rank loses its say


def fuse(rankings: Mapping[str, Sequence[str]], weights: Mapping[str, float]) -> list[tuple[str, float]]:
    """Ids with sum(weight / (60 + rank)), best first, ties by id; does not depend on the order of the rankings."""
    scores: dict[str, list[float]] = {}
    for name, ranking in rankings.items():
        for rank, found in enumerate(ranking, 1):
            scores.setdefault(found, []).append(weights[name] / (_K + rank))
    # sorted before summing: the sum of floats must not depend on the order of the rankings either
    fused = ((found, sum(sorted(parts))) for found, parts in scores.items())
    return sorted(fused, key=lambda pair: (-pair[1], pair[0]))


def share(score: float, weights: Mapping[str, float]) -> float:
    """A fused score as a fraction 0..1 of the best there can be: first in every ranking."""
    return score * (_K + 1) / sum(weights.values())
