"""Click ranking: order products of one verdict by their predicted click probability.

A click ranker reads product fields, scores and the products that the shopper opened before. It never moves a product
across a verdict: matches stay before similar products, and the rest keep their positions.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from snapfind.search.calibration import verdict
from snapfind.search.rerank.base import Reranked
from snapfind.search.rerank.features import Columns

__all__ = ["MOST", "Ranker", "by_clicks", "columns_of"]

MOST = 200  # products that may be reordered


class Ranker(Protocol):
    """Predicts click probabilities of products. Thread-safe."""

    @property
    def candidates(self) -> int:
        """Number of first products that it reorders, 2 to `MOST`. They are retrieved for every page."""
        ...

    def predict_clicks(self, columns: Columns, count: int) -> NDArray[np.float64]:
        """Predict click probabilities.

        Args:
            columns: Columns of `columns_of`.
            count: Number of rows.

        Returns:
            Probabilities 0..1, shape (count,).
        """
        ...


def columns_of(
    payloads: Sequence[Mapping[str, Any]], scores: Sequence[float], recent: Sequence[str]
) -> dict[str, list[Any]]:
    """Build the input of a click ranker.

    Args:
        payloads: Payloads of n products, best first.
        scores: Their probabilities.
        recent: Ids of products that the shopper opened before.

    Returns:
        Columns of n values: `product.id`, `product.FIELD` for each field, `hit.score`, `hit.position` and
        `shopper.recent`. The position is always 1, so that learned position bias does not influence the order.
    """
    names = {name for payload in payloads for name in payload if not name.startswith("_")}
    columns = {f"product.{name}": [_plain(payload.get(name)) for payload in payloads] for name in names}
    columns["product.id"] = [payload["_product"] for payload in payloads]
    columns["hit.score"] = list(scores)
    columns["hit.position"] = [1] * len(scores)
    columns["shopper.recent"] = [tuple(recent)] * len(scores)
    return columns


def _plain(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list) else value


def by_clicks(
    ranker: Ranker, payloads: Sequence[Mapping[str, Any]], scores: Sequence[float], recent: Sequence[str]
) -> Reranked:
    """Reorder a ranking by click probability within each verdict.

    Args:
        ranker: Predicts the probabilities.
        payloads: Payloads of n products, best first.
        scores: Their calibrated probabilities.
        recent: Ids of products that the shopper opened before.

    Returns:
        The new order of positions 0..n-1, and the click probabilities of the first `ranker.candidates`.
    """
    count = min(len(scores), ranker.candidates)
    if not count:
        return Reranked(list(range(len(scores))), {})
    chances = ranker.predict_clicks(columns_of(payloads[:count], scores[:count], recent), count)
    verdicts = [verdict(score) for score in scores[:count]]
    order = list(range(len(scores)))
    for one in ("match", "similar"):
        places = [place for place in range(count) if verdicts[place] == one]
        for place, moved in zip(places, sorted(places, key=lambda at: -chances[at])):
            order[place] = moved
    return Reranked(order, {place: float(chance) for place, chance in enumerate(chances)})
