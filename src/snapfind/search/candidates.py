"""Candidate retrieval: one filtered nearest-neighbor or BM25 ranking for each signal of the query.

A query with only a photo has one ranking, in the order of the index. A query with text has several. They are cut at
the same depth and fused, so the pages of a fused answer are slices of one list.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from snapfind.core.errors import BadQuery
from snapfind.index.base import IndexMatch, IndexQuery
from snapfind.index.filters import Filter, where
from snapfind.search.category_prior import DEPTH as PRIOR_DEPTH
from snapfind.search.context import SearchContext
from snapfind.search.encode_query import EncodedQuery
from snapfind.search.exact_match import exact_matches
from snapfind.search.signals import BM25, IMAGE, SIGNALS, TEXT, Signal
from snapfind.search.stop_words import content_words
from snapfind.search.text_evidence import background_similarity

__all__ = ["DEPTH", "Candidate", "Rankings", "retrieve"]

DEPTH = 400  # products of each ranking that are fused: far above what a shopper pages to


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product during ranking. Each step of the pipeline maps a list of candidates to a list of candidates.

    Attributes:
        product: Id of the product.
        matches: Signal -> best matching point, in the order of the table of signals. At least one.
        score: Calibrated probability, 0..1.
        checks: Scores of rerankers by name (`rerank`, `click`), 0..1.
    """

    product: str
    matches: Mapping[str, IndexMatch]
    score: float = 0.0
    checks: Mapping[str, float] = field(default_factory=dict)

    @property
    def payload(self) -> Mapping[str, Any]:
        """Payload of the best matching point of the first signal."""
        return next(iter(self.matches.values())).payload


@dataclass(frozen=True, slots=True)
class Rankings:
    """Rankings of one query.

    Attributes:
        points: Signal -> points, best first, one point for each product.
        weights: Signal -> weight in the fusion.
        words: Text of the query.
        texts: Its positive texts with their weights.
        background: Similarity of the text to the nearest class name (text_evidence.py), or None without a text.
    """

    points: dict[str, list[IndexMatch]] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    words: str = ""
    texts: tuple[tuple[str, float], ...] = ()
    background: float | None = None

    def candidates(self) -> dict[str, Candidate]:
        """Collect the points of each product, without a score."""
        matches: dict[str, dict[str, IndexMatch]] = {}
        for signal, points in self.points.items():
            for point in points:
                matches.setdefault(str(point.payload["_product"]), {})[signal] = point
        return {product: Candidate(product, own) for product, own in matches.items()}


def retrieve(
    query: EncodedQuery, context: SearchContext, filter: Filter | None, limit: int, category: str | None = None
) -> Rankings:
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
    signals, spaces = {signal.name: signal for signal in SIGNALS}, context.index.spaces()
    requests = {name: ask for name, signal in signals.items() if (ask := _request(signal, query, context, filter))}
    # a catalog without pictures has no spaces yet
    requests = {name: ask for name, ask in requests.items() if ask.words or ask.space in spaces}
    fused = len(requests) > 1
    if fused and limit > DEPTH:
        raise BadQuery(f"a query with text gives at most {DEPTH} products; ask for fewer", field="limit")
    # One more than the limit, so that the margin of a single hit is known.
    depth = DEPTH if fused else max(limit, PRIOR_DEPTH) + 1
    points = {name: context.index.search(replace(request, limit=depth)) for name, request in requests.items()}
    # A text of only stop words, such as "the", finds just the products with that name.
    if BM25.name in points and not content_words(query.words):
        exact = exact_matches(points[BM25.name], query.words)
        points[BM25.name] = [point for point in points[BM25.name] if str(point.payload["_product"]) in exact]
    if category:
        only = where("category", [category])
        for name, request in requests.items():
            inside = replace(request, limit=depth, filter=request.filter & only if request.filter else only)
            points[name] = _join(points[name], context.index.search(inside))
    weights = {name: query.weights[signals[name].query] * signals[name].weight for name in requests}
    background = _background(query, context) if TEXT.name in points else None
    return Rankings(points, weights, query.words, query.texts, background)


def _background(query: EncodedQuery, context: SearchContext) -> float:
    return background_similarity(query.vectors[TEXT.name], context.model.conse.names)


def _request(signal: Signal, query: EncodedQuery, context: SearchContext, filter: Filter | None) -> IndexQuery | None:
    """Build the search of one signal. None if the signal does not apply to the query."""
    own = signal.restrict(context.model)
    filter = filter & own if filter and own else filter or own
    space = signal.space_id(context.model)
    if space is None:
        words = content_words(query.words) or query.words
        return IndexQuery(words=words, filter=filter) if words else None
    vector = query.vectors.get(signal.name)
    if vector is None:
        return None
    more, less = (query.more, query.less) if signal.name == IMAGE.name else ((), ())
    return IndexQuery(space, vector, more=more, less=less, filter=filter)


def _join(points: list[IndexMatch], more: list[IndexMatch]) -> list[IndexMatch]:
    known = {point.id for point in points}
    return points + [point for point in more if point.id not in known]
