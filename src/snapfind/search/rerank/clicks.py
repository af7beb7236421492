"""The port of a click ranker, and its step: products in the order of how likely they are opened, inside a verdict.

`search/rerank/base.py` looks at pictures; a ranker reads fields of the products, their scores and what the shopper
opened before. It never moves a product across a verdict: what is a match stays before what is similar, and what is no
match stays where it was.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from snapfind.search.calibration import verdict
from snapfind.search.rerank.base import Reranked
from snapfind.search.rerank.features import Columns

__all__ = ["MOST", "Ranker", "by_clicks", "columns_of"]

MOST = 200  # products that may change places


class Ranker(Protocol):
    """Tells how likely each product that is shown is opened. Any thread may call it."""

    @property
    def candidates(self) -> int:
        """How many of the first products it may move, 2 to MOST; they are recalled whatever page is asked for."""
        ...

    def chances(self, columns: Columns, count: int) -> NDArray[np.float64]:
        """(count,) chances 0..1, from columns as `columns_of` makes them."""
        ...


def columns_of(
    payloads: Sequence[Mapping[str, Any]], scores: Sequence[float], recent: Sequence[str]
) -> dict[str, list[Any]]:
    """What a ranker reads of the n products that a search found, best first.

    `product.id` and `product.FIELD` of each field, `hit.score` its probability, `hit.position` always 1 (what was
    learnt of a place must not say where a product goes), `shopper.recent` what the shopper opened before.
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
    """The places 0..n-1 of a ranking anew, and the chance of a click of each that was judged.

    Products of one verdict fill the places that this verdict has, the likeliest first, equal ones as they stood.
    """
    judged = min(len(scores), ranker.candidates)
    if not judged:
        return Reranked(list(range(len(scores))), {})
    chances = ranker.chances(columns_of(payloads[:judged], scores[:judged], recent), judged)
    verdicts = [verdict(score) for score in scores[:judged]]
    order = list(range(len(scores)))
    for one in ("match", "similar"):
        places = [place for place in range(judged) if verdicts[place] == one]
        for place, moved in zip(places, sorted(places, key=lambda at: -chances[at])):
            order[place] = moved
    return Reranked(order, {place: float(chance) for place, chance in enumerate(chances)})
