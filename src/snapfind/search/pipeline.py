"""The way of one query, as a recipe: decode, find regions, encode, recall, fuse, calibrate, rerank, order, group.

The reranker is off unless the model has one (`Catalog.rerank`). It changes the order and no score: each product keeps
its own calibrated probability, so with it scores may rise along the first hits. So does the click ranker, off as well
unless there is one, among the products of one verdict.
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
from snapfind.search.exact_match import named
from snapfind.search.group import group
from snapfind.search.photo_regions import EncodedImage, encode_images, photos
from snapfind.search.rank_fusion import fuse as rank_fuse
from snapfind.search.rank_fusion import share
from snapfind.search.rerank.base import rerank
from snapfind.search.rerank.clicks import Ranker, by_clicks

__all__ = ["score_nearest", "search"]

_Order = tuple[list[tuple[str, float]], Mapping[str, Mapping[str, float]]]  # `(product id, probability)`; checks of it


def search(query: Query, context: SearchContext, *, limit: int | None = None, offset: int = 0) -> Answer:
    """Hits for a query, best first; `timings` holds milliseconds per step. Raises BadQuery, BadFilter, BadPicture."""
    watch = _Watch()
    limit = _limit(limit, offset, context)
    filter = parse(query.filter, context.schema, context.settings.whole("max_filter")) if query.filter else None
    with watch("decode"):
        images = photos(query, context)
    with watch("encode"):
        seen = encode_images(query, images, context)
        wanted = [encode_query(query, image.vectors, context) for image in seen]
    with watch("recall"):
        wrong = {mark.product for mark in query.marked if mark.product and mark.weight < 0}
        own = {like.product for like in query.likes if like.product} | wrong  # neither is shown again
        ranker = context.ranker if query.order == "clicks" else None
        # what a ranker may move is recalled for every page alike, so that pages are slices of one list
        depth = max(limit + offset, ranker.candidates if ranker else 0)
        candidates = [find_candidates(one, context, filter, depth + len(own), query.category) for one in wanted]
    with watch("rank"):
        judged = [_judged(one, image, own, context) for one, image in zip(candidates, seen)]
        orders: list[_Order] = [(_inside(ranked, one, query), {}) for (ranked, _), one in zip(judged, candidates)]
    if context.reranker is not None and _one_photo(query):
        with watch("rerank"):
            orders = [_reranked(*each, context) for each in zip([ranked for ranked, _ in orders], candidates, seen)]
    if ranker is not None:
        with watch("order"):
            orders = [_by_clicks(*each, ranker, query) for each in zip(orders, candidates)]
    with watch("rank"):
        answers = [
            group(_inside(ranked, one, query)[offset : offset + limit], one.rankings, context.schema, checks)
            for (ranked, checks), one in zip(orders, candidates)
        ]
    groups = tuple(Group(image.regions[0], hits) for image, hits in zip(seen, answers) if image.regions)
    return Answer(
        answers[0],
        watch.timings,
        seen[0].box,
        seen[0].regions,
        judged[0][1],
        groups if query.regions == "all" else (),
        context.model.photo.space.id,
    )


def _judged(
    candidates: Candidates, image: EncodedImage, own: Collection[str], context: SearchContext
) -> tuple[list[tuple[str, float]], tuple[CategoryGuess, ...]]:
    """`(product id, probability)`, best first, and the categories that the photo may show."""
    nearest = [one for one in candidates.rankings.get("photo", ()) if one.payload["_product"] not in own]
    seen = context.prototypes.guess(image.posterior) if image.posterior is not None else {}
    guesses = fuse(vote(nearest), seen)
    if list(candidates.rankings) == ["photo"]:
        ranked = score_nearest(nearest, guesses if seen else (), context.calibration)
    else:
        ranked = [pair for pair in _fused(candidates, context) if pair[0] not in own]
    return ranked, guesses


def _one_photo(query: Query) -> bool:
    """A photo and nothing else: what a shopper adds or marks says more than a closer look."""
    return len(query.likes) == 1 and query.likes[0].photo is not None and not query.marked


def _reranked(
    ranked: list[tuple[str, float]], candidates: Candidates, image: EncodedImage, context: SearchContext
) -> _Order:
    """The ranking in its new order, and product id -> `rerank`: what the reranker said of it, 0..1."""
    reranker, photo = context.reranker, image.searched
    if reranker is None or photo is None:
        return ranked, {}
    points = {str(found.payload["_product"]): found.id for found in candidates.rankings.get("photo", ())}
    pictures = [context.copy(points[product]) for product, _ in ranked[: reranker.plan.candidates]]
    again = rerank(reranker, photo, pictures, [score for _, score in ranked])
    said = {ranked[place][0]: {"rerank": check} for place, check in again.checks.items()}
    return [ranked[place] for place in again.order], said


def _by_clicks(order: _Order, candidates: Candidates, ranker: Ranker, query: Query) -> _Order:
    """The ranking in its new order, and product id -> what rerankers said of it, 0..1."""
    ranked, checks = order
    payloads = {
        str(found.payload["_product"]): found.payload for ranking in candidates.rankings.values() for found in ranking
    }
    again = by_clicks(
        ranker, [payloads[product] for product, _ in ranked], [score for _, score in ranked], query.recent
    )
    said = {
        product: {**checks.get(product, {}), "click": again.checks[place]}
        for place, (product, _) in enumerate(ranked)
        if place in again.checks
    }
    return [ranked[place] for place in again.order], {**checks, **said}


def _inside(ranked: list[tuple[str, float]], candidates: Candidates, query: Query) -> list[tuple[str, float]]:
    """The products of the wanted category first."""
    if not query.category:
        return ranked
    chosen = {
        str(one.payload["_product"])
        for ranking in candidates.rankings.values()
        for one in ranking
        if one.payload.get("category") == query.category
    }
    return sorted(ranked, key=lambda pair: pair[0] not in chosen)


def score_nearest(
    nearest: Sequence[Found], guesses: Sequence[CategoryGuess], calibration: Calibration
) -> list[tuple[str, float]]:
    """`(product id, probability)` for the products nearest to a photo, leant by their categories; best first."""
    adjusted = apply_category_prior(nearest, guesses) if guesses else list(nearest)
    scores = calibration.photo_scores(
        [one.score for one in adjusted], log_chances(adjusted, guesses) if guesses else ()
    )
    return [(str(one.payload["_product"]), score) for one, score in zip(adjusted, scores)]


def _fused(candidates: Candidates, context: SearchContext) -> list[tuple[str, float]]:
    """`(product id, probability)` where there are several rankings, best first."""
    rankings = {
        signal: [str(found.payload["_product"]) for found in ranking] for signal, ranking in candidates.rankings.items()
    }
    typed = named(candidates.rankings.get("words", ()), candidates.words)
    fused = sorted(rank_fuse(rankings, candidates.weights), key=lambda pair: typed.get(pair[0], 2))
    shares = [1.0 if pair[0] in typed else share(pair[1], _sayers(candidates, context)) for pair in fused]
    scores = context.calibration.fused_scores(shares)
    return [(product, score) for (product, _), score in zip(fused, scores)]


def _sayers(candidates: Candidates, context: SearchContext) -> dict[str, float]:
    """The weights that one product can have together: ConSE speaks only for products without a text."""
    if context.model.photo.words is not None:
        return candidates.weights
    return {signal: weight for signal, weight in candidates.weights.items() if signal != "bridge"}


def _limit(limit: int | None, offset: int, context: SearchContext) -> int:
    limit = context.settings.whole("limit") if limit is None else limit
    most = context.settings.whole("max_limit")
    if not 1 <= limit <= most:
        raise BadQuery(f"limit {limit}: ask for 1 to {most} products", field="limit")
    if offset < 0:
        raise BadQuery(f"offset {offset}: it counts from 0", field="offset")
    return limit


class _Watch:
    """Milliseconds per step."""

    def __init__(self) -> None:
        self.timings: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.timings[step] = self.timings.get(step, 0.0) + (time.perf_counter() - begin) * 1000
