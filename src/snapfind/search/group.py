"""Convert candidates to hits with their best picture, score and parts."""

from collections.abc import Mapping

from snapfind.core.types import Hit, Kind
from snapfind.index.payload import picture_of, product_of
from snapfind.search.calibration import verdict
from snapfind.search.candidates import Candidate

__all__ = ["hit_of"]


def hit_of(candidate: Candidate, schema: Mapping[str, Kind]) -> Hit:
    """Build the hit of a candidate. Its picture is the best matching one of its first signal.

    Args:
        candidate: A scored product.
        schema: Kind of each attribute.

    Returns:
        The hit, with the score of each signal and reranker in `parts`.
    """
    picture = picture_of(candidate.payload)
    return Hit(
        product=product_of(candidate.payload, schema, (picture,)),
        picture=picture,
        box=picture.box,
        score=candidate.score,
        verdict=verdict(candidate.score),
        parts={signal: point.score for signal, point in candidate.matches.items()} | dict(candidate.checks),
    )
