"""The way of one query, as a recipe: decode, find regions, encode, recall, fuse, calibrate, group."""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from snapfind.errors import BadQuery
from snapfind.index.filters import parse
from snapfind.search.categories import vote
from snapfind.search.fuse import fuse, share
from snapfind.search.group import group
from snapfind.search.recall import Recalled, recall
from snapfind.search.shelf import Shelf
from snapfind.search.sight import photos, sights
from snapfind.search.want import want
from snapfind.types import Answer, Group, Hit, Query

__all__ = ["search"]


def search(query: Query, shelf: Shelf, *, limit: int | None = None, offset: int = 0) -> Answer:
    """Hits for a query, best first; `timings` holds milliseconds per step. Raises BadQuery, BadFilter, BadPicture."""
    watch = _Watch()
    limit = _limit(limit, offset, shelf)
    filter = parse(query.filter, shelf.schema) if query.filter else None
    with watch("decode"):
        images = photos(query, shelf)
    with watch("encode"):
        seen = sights(query, images, shelf)
        wanted = [want(query, sight.vectors, shelf) for sight in seen]
    with watch("recall"):
        own = {like.product for like in query.likes if like.product}
        recalled = [recall(one, shelf, filter, limit + offset + len(own)) for one in wanted]
    with watch("rank"):
        guesses = vote(recalled[0].rankings.get("photo", ()))
        answers = [_hits(one, query, own, shelf)[offset : offset + limit] for one in recalled]
    groups = tuple(Group(sight.regions[0], hits) for sight, hits in zip(seen, answers) if sight.regions)
    return Answer(
        answers[0],
        watch.timings,
        seen[0].box,
        seen[0].regions,
        guesses,
        groups if query.regions == "all" else (),
    )


def _hits(recalled: Recalled, query: Query, own: Collection[str], shelf: Shelf) -> tuple[Hit, ...]:
    """The hits of one search, those of the caller's category first."""
    ranked = [pair for pair in _rank(recalled, shelf) if pair[0] not in own]
    hits = group(ranked, recalled.rankings, shelf.schema)
    return tuple(sorted(hits, key=lambda hit: hit.product.category != query.category)) if query.category else hits


def _rank(recalled: Recalled, shelf: Shelf) -> list[tuple[str, float]]:
    """`(product id, probability)`, best first."""
    rankings = {
        signal: [str(found.payload["_product"]) for found in ranking] for signal, ranking in recalled.rankings.items()
    }
    if list(rankings) == ["photo"]:
        scores = shelf.calibration.photo_scores([found.score for found in recalled.rankings["photo"]])
        return list(zip(rankings["photo"], scores))
    fused = fuse(rankings, recalled.weights)
    scores = shelf.calibration.fused_scores([share(score, _sayers(recalled)) for _, score in fused])
    return [(product, score) for (product, _), score in zip(fused, scores)]


def _sayers(recalled: Recalled) -> dict[str, float]:
    """The weights that one product can have together: the bridge speaks only for products without a text."""
    return {signal: weight for signal, weight in recalled.weights.items() if signal != "bridge"}


def _limit(limit: int | None, offset: int, shelf: Shelf) -> int:
    limit = shelf.settings.whole("limit") if limit is None else limit
    most = shelf.settings.whole("max_limit")
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
        self.timings[step] = (time.perf_counter() - begin) * 1000
