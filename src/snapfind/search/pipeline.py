"""The way of one query, as a recipe: decode, encode, recall, fuse, calibrate, group."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from snapfind.errors import BadQuery
from snapfind.index.filters import parse
from snapfind.media.images import Limits
from snapfind.search.fuse import fuse, share
from snapfind.search.group import group
from snapfind.search.recall import Recalled, recall
from snapfind.search.shelf import Shelf
from snapfind.search.want import crops, want
from snapfind.types import Answer, Query

__all__ = ["search"]


def search(query: Query, shelf: Shelf, *, limit: int | None = None, offset: int = 0) -> Answer:
    """Hits for a query, best first; `timings` holds milliseconds per step. Raises BadQuery, BadFilter, BadPicture."""
    watch = _Watch()
    limit = _limit(limit, offset, shelf)
    filter = parse(query.filter, shelf.schema) if query.filter else None
    with watch("decode"):
        photos = crops(query, Limits.of(shelf.settings), shelf.model.photo.preprocessing.side)
    with watch("encode"):
        wanted = want(query, photos, shelf)
    with watch("recall"):
        own = {like.product for like in query.likes if like.product}
        recalled = recall(wanted, shelf, filter, limit + offset + len(own))
    with watch("rank"):
        ranked = [pair for pair in _rank(recalled, shelf) if pair[0] not in own]
        hits = group(ranked[offset : offset + limit], recalled.rankings, shelf.schema)
    return Answer(hits, watch.timings)


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
