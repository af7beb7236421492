"""Query pipeline: decode, propose regions, encode, find candidates, fuse, calibrate, rerank, group.

The reranker is off unless the model has one (`Catalog.rerank`). It changes the order and no score, so scores may rise
along the first hits. The click ranker is off as well unless there is one. It reorders products of one verdict.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from snapfind.core.errors import BadQuery
from snapfind.core.types import Answer, CategoryGuess, Group, Query
from snapfind.index.base import Found
from snapfind.index.filters import parse
from snapfind.search.calibration import Calibration
from snapfind.search.candidates import Candidates, find_candidates
from snapfind.search.category_prior import apply_category_prior, fuse, log_chances, vote
from snapfind.search.context import SearchContext
from snapfind.search.encode_query import encode_query
from snapfind.search.exact_match import exact_matches
from snapfind.search.group import group
from snapfind.search.photo_regions import EncodedImage, encode_images, photos
from snapfind.search.rank_fusion import fuse as rank_fuse
from snapfind.search.rank_fusion import share
from snapfind.search.rerank.base import rerank
from snapfind.search.rerank.clicks import Ranker, by_clicks

__all__ = ["score_nearest", "search"]

_Ranking = list[tuple[str, float]]  # pairs of product id and probability, best first
_Order = tuple[_Ranking, Mapping[str, Mapping[str, float]]]  # a ranking, and product id -> scores of rerankers


def search(query: Query, context: SearchContext, *, limit: int | None = None, offset: int = 0) -> Answer:
    """Search a catalog.

    Args:
        query: Query terms, feedback, filter and options.
        context: Index, model and settings.
        limit: Number of hits. Defaults to the setting `limit`.
        offset: Number of hits to skip.

    Returns:
        Hits, best first, with the searched box, region proposals, categories, and milliseconds per step.

    Raises:
        BadQuery: If the query, the limit or the offset is invalid.
        BadFilter: If the filter cannot be parsed.
        BadPicture: If a photo cannot be decoded.
        NotFound: If a product of the query does not exist.
    """
    watch = _Stopwatch()
    limit = _checked_limit(limit, offset, context)
    filter = parse(query.filter, context.schema, context.settings.whole("max_filter")) if query.filter else None
    with watch("decode"):
        decoded = photos(query, context)
    with watch("encode"):
        images = encode_images(query, decoded, context)
        encoded = [encode_query(query, image.vectors, context) for image in images]
    with watch("recall"):
        rejected = {mark.product for mark in query.marked if mark.product and mark.weight < 0}
        excluded = {like.product for like in query.likes if like.product} | rejected
        ranker = context.ranker if query.order == "clicks" else None
        # The ranker needs the same candidates for every page, so that pages are slices of one list.
        depth = max(limit + offset, ranker.candidates if ranker else 0)
        found = [find_candidates(one, context, filter, depth + len(excluded), query.category) for one in encoded]
    with watch("rank"):
        scored = [_score(one, image, excluded, context) for one, image in zip(found, images)]
        orders: list[_Order] = [(_category_first(ranked, one, query), {}) for (ranked, _), one in zip(scored, found)]
    if context.reranker is not None and _is_single_photo(query):
        with watch("rerank"):
            orders = [_rerank(*each, context) for each in zip([ranked for ranked, _ in orders], found, images)]
    if ranker is not None:
        with watch("order"):
            orders = [_order_by_clicks(*each, ranker, query) for each in zip(orders, found)]
    with watch("rank"):
        answers = [
            group(_category_first(ranked, one, query)[offset : offset + limit], one.rankings, context.schema, checks)
            for (ranked, checks), one in zip(orders, found)
        ]
    groups = tuple(Group(image.regions[0], hits) for image, hits in zip(images, answers) if image.regions)
    return Answer(
        answers[0],
        watch.timings,
        images[0].box,
        images[0].regions,
        scored[0][1],
        groups if query.regions == "all" else (),
        context.model.photo.space.id,
    )


def _score(
    candidates: Candidates, image: EncodedImage, excluded: Collection[str], context: SearchContext
) -> tuple[_Ranking, tuple[CategoryGuess, ...]]:
    """Return the ranking without excluded products, and the predicted categories of the photo."""
    nearest = [point for point in candidates.rankings.get("photo", ()) if point.payload["_product"] not in excluded]
    prediction = context.prototypes.predict(image.posterior) if image.posterior is not None else {}
    guesses = fuse(vote(nearest), prediction)
    if list(candidates.rankings) == ["photo"]:
        ranked = score_nearest(nearest, guesses if prediction else (), context.calibration)
    else:
        ranked = [pair for pair in _fuse(candidates, context) if pair[0] not in excluded]
    return ranked, guesses


def _is_single_photo(query: Query) -> bool:
    """Tell whether the query is one photo without text and feedback, which outweigh a reranker."""
    return len(query.likes) == 1 and query.likes[0].photo is not None and not query.marked


def _rerank(ranked: _Ranking, candidates: Candidates, image: EncodedImage, context: SearchContext) -> _Order:
    """Rerank the first candidates by their images."""
    reranker, photo = context.reranker, image.searched
    if reranker is None or photo is None:
        return ranked, {}
    points = {str(point.payload["_product"]): point.id for point in candidates.rankings.get("photo", ())}
    pictures = [context.copy(points[product]) for product, _ in ranked[: reranker.config.candidates]]
    result = rerank(reranker, photo, pictures, [score for _, score in ranked])
    checks = {ranked[place][0]: {"rerank": check} for place, check in result.checks.items()}
    return [ranked[place] for place in result.order], checks


def _order_by_clicks(order: _Order, candidates: Candidates, ranker: Ranker, query: Query) -> _Order:
    """Reorder a ranking by click probability and add the probabilities to its checks."""
    ranked, checks = order
    payloads = {
        str(point.payload["_product"]): point.payload for ranking in candidates.rankings.values() for point in ranking
    }
    result = by_clicks(
        ranker, [payloads[product] for product, _ in ranked], [score for _, score in ranked], query.recent
    )
    clicks = {
        product: {**checks.get(product, {}), "click": result.checks[place]}
        for place, (product, _) in enumerate(ranked)
        if place in result.checks
    }
    return [ranked[place] for place in result.order], {**checks, **clicks}


def _category_first(ranked: _Ranking, candidates: Candidates, query: Query) -> _Ranking:
    """Move products of the preferred category to the front."""
    if not query.category:
        return ranked
    preferred = {
        str(point.payload["_product"])
        for ranking in candidates.rankings.values()
        for point in ranking
        if point.payload.get("category") == query.category
    }
    return sorted(ranked, key=lambda pair: pair[0] not in preferred)


def score_nearest(
    nearest: Sequence[Found], guesses: Sequence[CategoryGuess], calibration: Calibration
) -> list[tuple[str, float]]:
    """Score the products nearest to a photo, with the category prior applied.

    Args:
        nearest: Points of a photo search, best first.
        guesses: Predicted categories of the photo. If empty, the prior is skipped.
        calibration: Turns similarities into probabilities.

    Returns:
        Pairs of product id and probability, best first.
    """
    ranking = apply_category_prior(nearest, guesses) if guesses else list(nearest)
    chances = log_chances(ranking, guesses) if guesses else ()
    scores = calibration.photo_scores([point.score for point in ranking], chances)
    return [(str(point.payload["_product"]), score) for point, score in zip(ranking, scores)]


def _fuse(candidates: Candidates, context: SearchContext) -> _Ranking:
    """Fuse several rankings. Exact matches come first."""
    rankings = {
        signal: [str(point.payload["_product"]) for point in ranking] for signal, ranking in candidates.rankings.items()
    }
    exact = exact_matches(candidates.rankings.get("words", ()), candidates.words)
    fused = sorted(rank_fuse(rankings, candidates.weights), key=lambda pair: exact.get(pair[0], 2))
    weights = _attainable_weights(candidates, context)
    shares = [1.0 if product in exact else share(score, weights) for product, score in fused]
    scores = context.calibration.fused_scores(shares)
    return [(product, score) for (product, _), score in zip(fused, scores)]


def _attainable_weights(candidates: Candidates, context: SearchContext) -> dict[str, float]:
    """Return the weights that one product can reach: ConSE ranks only products without text."""
    if context.model.photo.words is not None:
        return candidates.weights
    return {signal: weight for signal, weight in candidates.weights.items() if signal != "bridge"}


def _checked_limit(limit: int | None, offset: int, context: SearchContext) -> int:
    limit = context.settings.whole("limit") if limit is None else limit
    most = context.settings.whole("max_limit")
    if not 1 <= limit <= most:
        raise BadQuery(f"limit {limit}: ask for 1 to {most} products", field="limit")
    if offset < 0:
        raise BadQuery(f"offset {offset} is negative; offsets count from 0", field="offset")
    return limit


class _Stopwatch:
    """Milliseconds per step."""

    def __init__(self) -> None:
        self.timings: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.timings[step] = self.timings.get(step, 0.0) + (time.perf_counter() - begin) * 1000
