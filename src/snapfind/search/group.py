"""Ranked products into hits: the product, its best picture, the score and what each signal gave."""

from collections.abc import Mapping, Sequence

from snapfind.core.types import Hit, Kind
from snapfind.index.base import Found
from snapfind.index.payload import picture_of, product_of
from snapfind.search.calibration import verdict

__all__ = ["group"]


def group(
    ranked: Sequence[tuple[str, float]],
    rankings: Mapping[str, Sequence[Found]],
    schema: Mapping[str, Kind],
    checks: Mapping[str, Mapping[str, float]],
) -> tuple[Hit, ...]:
    """Hits for `(product id, score)`; the picture is that of the first ranking, in their order, that found it.

    `checks`: product id -> what the reranker (`rerank`) and the click ranker (`click`) said of it.
    """
    by_signal = {
        signal: {str(found.payload["_product"]): found for found in ranking} for signal, ranking in rankings.items()
    }
    return tuple(_hit(product, score, by_signal, schema, checks.get(product, {})) for product, score in ranked)


def _hit(
    product: str,
    score: float,
    by_signal: Mapping[str, Mapping[str, Found]],
    schema: Mapping[str, Kind],
    further: Mapping[str, float],
) -> Hit:
    found = {signal: points[product] for signal, points in by_signal.items() if product in points}
    payload = next(iter(found.values())).payload
    picture = picture_of(payload)
    return Hit(
        product=product_of(payload, schema, (picture,)),
        picture=picture,
        box=picture.box,
        score=score,
        verdict=verdict(score),
        parts={signal: point.score for signal, point in found.items()} | dict(further),
    )
