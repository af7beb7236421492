"""Query pipeline: decode, propose regions, encode, retrieve, fuse, calibrate, rerank, group.

Each step after retrieval maps a list of candidates to a list of candidates. The reranker and the click ranker
are off by default. The reranker changes the order and no score, so scores may rise along the first hits. The click
ranker reorders products of one verdict.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from snapfind.core.errors import BadQuery
from snapfind.core.query import Query
from snapfind.core.types import Answer, CategoryGuess, Group, Hit
from snapfind.encoders.ocr.reader import open_reader
from snapfind.index.filters import Filter, parse
from snapfind.search.candidates import Candidate, Rankings, retrieve
from snapfind.search.context import SearchContext
from snapfind.search.encode_query import EncodedQuery, encode_query
from snapfind.search.exact_match import NOT_EXACT, exact_matches
from snapfind.search.group import hit_of
from snapfind.search.photo_regions import EncodedImage, encode_images, photos, select_region
from snapfind.search.rank_fusion import fuse, share
from snapfind.search.read_text import NO_TEXT, TextMatches, is_worth_reading, match_text, read_photo
from snapfind.search.rerank.base import rerank
from snapfind.search.rerank.clicks import Ranker, by_clicks
from snapfind.search.scoring import rank_nearest
from snapfind.search.signals import BM25, IMAGE, SIGNALS
from snapfind.search.text_scoring import is_text_alone, rank_text

__all__ = ["search"]


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
        if query.regions == "auto":
            images = select_region(images, context, filter)
        encoded = [encode_query(query, image, context) for image in images]
    with watch("recall"):
        excluded = _excluded(query)
        ranker = context.ranker if query.order == "clicks" else None
        # The ranker needs the same candidates for every page, so that pages are slices of one list.
        depth = max(limit + offset, ranker.candidates if ranker else 0) + len(excluded)
        rankings = [retrieve(one, context, filter, depth, query.category) for one in encoded]
    with watch("rank"):
        scored = [score(one, image, excluded, context) for one, image in zip(rankings, images)]
        ordered = [_category_first(candidates, query.category) for candidates, _ in scored]
    text = _match_text(query, encoded[0], rankings[0], scored[0][0], filter, context, watch)
    if text is not None:
        with watch("rank"):
            scored = [score(replace(rankings[0], points={IMAGE.name: text.points}), images[0], excluded, context, text)]
            ordered = [_category_first(scored[0][0], query.category)]
    if context.reranker is not None and _is_single_photo(query):
        with watch("rerank"):
            ordered = [_rerank(candidates, image, context) for candidates, image in zip(ordered, images)]
    if ranker is not None:
        with watch("order"):
            ordered = [_rerank_by_clicks(candidates, ranker, query) for candidates in ordered]
    with watch("rank"):
        pages = [_category_first(candidates, query.category)[offset : offset + limit] for candidates in ordered]
        answers: list[tuple[Hit, ...]] = [tuple(hit_of(one, context.schema) for one in page) for page in pages]
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


def score(
    rankings: Rankings,
    image: EncodedImage,
    excluded: Collection[str],
    context: SearchContext,
    text: TextMatches = NO_TEXT,
) -> tuple[list[Candidate], tuple[CategoryGuess, ...]]:
    """Score the products of all rankings.

    A single photo ranking is calibrated on its similarities, rankings of a text on their evidence. Other rankings are
    fused.

    Args:
        rankings: Rankings of the signals.
        image: Encoded photos of the query.
        excluded: Ids of products that are left out.
        context: Calibration and category prototypes.
        text: Matches of the text that was read in the photo.

    Returns:
        The candidates, best first, and the predicted categories of the photo.
    """
    candidates = rankings.candidates()
    nearest = [point for point in rankings.points.get(IMAGE.name, ()) if point.payload["_product"] not in excluded]
    prediction = context.prototypes.predict(image.posterior) if image.posterior is not None else {}
    ranking = rank_nearest(nearest, prediction, text.evidence)
    if list(rankings.points) == [IMAGE.name]:
        scores = context.calibration.photo_scores(ranking.features)
        pairs = [(str(point.payload["_product"]), value) for point, value in zip(ranking.points, scores)]
    elif is_text_alone(rankings, context):
        pairs = [pair for pair in rank_text(rankings, context) if pair[0] not in excluded]
    else:
        pairs = [pair for pair in _fuse(rankings, context) if pair[0] not in excluded]
    checks = {product: {"ocr": value} for product, value in text.similarities.items()}
    scored = [replace(candidates[product], score=value, checks=checks.get(product, {})) for product, value in pairs]
    return scored, ranking.categories


def _excluded(query: Query) -> set[str]:
    """Return the products of the query, and those that the shopper marked not relevant."""
    rejected = {mark.product for mark in query.marked if mark.product and mark.weight < 0}
    return {term.product for term in query.terms if term.product} | rejected


def _is_single_photo(query: Query) -> bool:
    """Tell whether the query is one photo without text and feedback, which outweigh a reranker."""
    return len(query.terms) == 1 and query.terms[0].photo is not None and not query.marked


def _match_text(
    query: Query,
    encoded: EncodedQuery,
    rankings: Rankings,
    candidates: Sequence[Candidate],
    filter: Filter | None,
    context: SearchContext,
    watch: "_Stopwatch",
) -> TextMatches | None:
    """Read the photo of a query if that may change its answer. None if it was not read, or has no text."""
    nearest = rankings.points.get(IMAGE.name, ())
    if query.regions == "all" or not _is_single_photo(query) or list(rankings.points) != [IMAGE.name]:
        return None
    reader = open_reader(context.settings, "search")
    if reader is None or not candidates or not is_worth_reading(candidates[0].score, nearest):
        return None
    with watch("read"):
        words = read_photo(query.terms[0], reader, context)
        return match_text(words, encoded.vectors[IMAGE.name], nearest, context, filter) if words else None


def _rerank(candidates: list[Candidate], image: EncodedImage, context: SearchContext) -> list[Candidate]:
    """Rerank the first candidates by their images."""
    reranker = context.reranker
    if reranker is None or not image.searched:
        return candidates
    pictures = [context.copy(one.matches[IMAGE.name].id) for one in candidates[: reranker.config.candidates]]
    result = rerank(reranker, image.searched[0], pictures, [one.score for one in candidates])
    return _reorder(candidates, "rerank", result.order, result.checks)


def _rerank_by_clicks(candidates: list[Candidate], ranker: Ranker, query: Query) -> list[Candidate]:
    """Reorder candidates of one verdict by click probability."""
    payloads, scores = [one.payload for one in candidates], [one.score for one in candidates]
    result = by_clicks(ranker, payloads, scores, query.recent)
    return _reorder(candidates, "click", result.order, result.checks)


def _reorder(candidates: list[Candidate], name: str, order: list[int], checks: dict[int, float]) -> list[Candidate]:
    checked = [
        replace(one, checks={**one.checks, name: checks[place]}) if place in checks else one
        for place, one in enumerate(candidates)
    ]
    return [checked[place] for place in order]


def _category_first(candidates: list[Candidate], category: str | None) -> list[Candidate]:
    """Move products of the preferred category to the front."""
    if not category:
        return candidates
    return sorted(candidates, key=lambda one: one.payload.get("category") != category)


def _fuse(rankings: Rankings, context: SearchContext) -> list[tuple[str, float]]:
    """Fuse several rankings into pairs of product and probability. Exact matches come first."""
    ids = {name: [str(point.payload["_product"]) for point in points] for name, points in rankings.points.items()}
    exact = exact_matches(rankings.points.get(BM25.name, ()), rankings.words)
    fused = sorted(fuse(ids, rankings.weights), key=lambda pair: exact.get(pair[0], NOT_EXACT))
    weights = _attainable_weights(rankings, context)
    shares = [1.0 if product in exact else share(value, weights) for product, value in fused]
    scores = context.calibration.fused_scores(shares)
    return [(product, value) for (product, _), value in zip(fused, scores)]


def _attainable_weights(rankings: Rankings, context: SearchContext) -> dict[str, float]:
    """Return the weights that one product can reach: a restricted signal ranks only some products."""
    restricted = {signal.name for signal in SIGNALS if signal.restrict(context.model) is not None}
    return {name: weight for name, weight in rankings.weights.items() if name not in restricted}


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
