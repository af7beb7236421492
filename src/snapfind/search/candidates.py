"""Candidate retrieval: one filtered nearest-neighbor or BM25 ranking for each signal of the query.

A query with only a photo has one ranking, in the order of the index. A query with text has several. They are cut at
the same depth and fused, so the pages of a fused answer are slices of one list.
"""

from dataclasses import dataclass, field, replace

from snapfind.core.errors import BadQuery
from snapfind.index.base import Ask, Found
from snapfind.index.filters import Filter, where
from snapfind.index.filters.operators import Exists, Not
from snapfind.search.category_prior import DEPTH as PRIOR_DEPTH
from snapfind.search.context import SearchContext
from snapfind.search.encode_query import EncodedQuery
from snapfind.search.exact_match import exact_matches
from snapfind.search.stop_words import content_words

__all__ = ["DEPTH", "Candidates", "find_candidates"]

DEPTH = 400  # products of each ranking that are fused: far above what a shopper pages to
# Share of the text weight for each signal. A product is found by the first two, or by the last.
TEXT_SHARES = {"text": 0.5, "words": 0.5, "bridge": 0.5}
_UNTITLED = Not(Exists("title"))


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rankings of one query.

    Attributes:
        rankings: Signal -> points, best first, one point for each product.
        weights: Signal -> weight in the fusion.
        words: Text of the query.
    """

    rankings: dict[str, list[Found]] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    words: str = ""


def find_candidates(
    query: EncodedQuery, context: SearchContext, filter: Filter | None, limit: int, category: str | None = None
) -> Candidates:
    """Search the index once for each signal of a query.

    Args:
        query: Embeddings and weights of the query.
        context: Index and model.
        filter: Restricts the products, or None.
        limit: Number of products to find. One more is retrieved.
        category: Preferred category. Its products are searched once more and appended, so all of them are reachable.

    Returns:
        The rankings and their weights.

    Raises:
        BadQuery: If a fused answer is asked for more products than the depth.
    """
    requests = _requests(query, context, filter)
    fused = len(requests) > 1
    if fused and limit > DEPTH:
        raise BadQuery(f"a query with text gives at most {DEPTH} products; ask for fewer", field="limit")
    # One more than the limit, so that the margin of a single hit is known.
    depth = DEPTH if fused else max(limit, PRIOR_DEPTH) + 1
    rankings = {signal: context.index.search(replace(ask, limit=depth)) for signal, ask in requests.items()}
    # A text of only stop words, such as "the", finds just the products with that name.
    if "words" in rankings and not content_words(query.words):
        exact = exact_matches(rankings["words"], query.words)
        rankings["words"] = [point for point in rankings["words"] if str(point.payload["_product"]) in exact]
    if category:
        only = where("category", [category])
        for signal, ask in requests.items():
            inside = replace(ask, limit=depth, filter=ask.filter & only if ask.filter else only)
            rankings[signal] = _joined(rankings[signal], context.index.search(inside))
    weights = {signal: query.text_weight * part for signal, part in TEXT_SHARES.items() if signal in requests}
    photo = {"photo": query.photo_weight} if "photo" in requests else {}
    return Candidates(rankings, weights | photo, query.words)


def _joined(points: list[Found], more: list[Found]) -> list[Found]:
    known = {point.id for point in points}
    return points + [point for point in more if point.id not in known]


def _text_to_image_filter(context: SearchContext, filter: Filter | None) -> Filter | None:
    """Exclude products with a title unless the photo encoder has a text tower.

    ConSE only adds noise to products that have a text of their own (benchmarks/text_to_product.py).
    """
    if context.model.photo.words is not None:
        return filter
    return filter & _UNTITLED if filter else _UNTITLED


def _requests(query: EncodedQuery, context: SearchContext, filter: Filter | None) -> dict[str, Ask]:
    photo = context.model.photo.space.id
    requests = {}
    if query.photo is not None:
        requests["photo"] = Ask(photo, query.photo, more=query.more, less=query.less, filter=filter)
    if query.words:
        untitled = _text_to_image_filter(context, filter)
        requests["text"] = Ask(context.model.text.space.id, query.texts["text"], filter=filter)
        requests["bridge"] = Ask(context.model.bridge.id, query.texts["bridge"], filter=untitled)
        requests["words"] = Ask(words=content_words(query.words) or query.words, filter=filter)
    # a catalog without pictures has no spaces yet
    return {signal: ask for signal, ask in requests.items() if ask.words or ask.space in context.index.spaces()}
