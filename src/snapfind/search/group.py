"""Convert ranked products to hits with their best picture, score and parts."""

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
    """Build the hits of ranked products.

    Args:
        ranked: Pairs of product id and probability, best first.
        rankings: Signal -> points. The picture of a hit comes from the first ranking that contains the product.
        schema: Kind of each attribute.
        checks: Product id -> scores of the reranker (`rerank`) and of the click ranker (`click`), 0..1.

    Returns:
        One hit for each pair, in the same order.
    """
    by_signal = {
        signal: {str(point.payload["_product"]): point for point in ranking} for signal, ranking in rankings.items()
    }
    return tuple(_hit(product, score, by_signal, schema, checks.get(product, {})) for product, score in ranked)


def _hit(
    product: str,
    score: float,
    by_signal: Mapping[str, Mapping[str, Found]],
    schema: Mapping[str, Kind],
    checks: Mapping[str, float],
) -> Hit:
    matches = {signal: points[product] for signal, points in by_signal.items() if product in points}
    payload = next(iter(matches.values())).payload
    picture = picture_of(payload)
    return Hit(
        product=product_of(payload, schema, (picture,)),
        picture=picture,
        box=picture.box,
        score=score,
        verdict=verdict(score),
        parts={signal: point.score for signal, point in matches.items()} | dict(checks),
    )
