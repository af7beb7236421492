"""A query as vectors: what to look for in each space, weights and negatives applied.

Likes of one kind become one vector, the normalised weighted sum of theirs (Rocchio 1971): a weight below 0 pulls away
from that photo, text or product; it means "less like this", not "without".
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from snapfind.core.errors import BadQuery, NotFound
from snapfind.core.types import Like, Query
from snapfind.encoders.base import Vectors
from snapfind.index.filters import where
from snapfind.index.html_text import plain_text
from snapfind.media.image.decode import Limits, load
from snapfind.search.context import SearchContext

__all__ = ["EncodedQuery", "encode_query"]


@dataclass(frozen=True, slots=True)
class EncodedQuery:
    """`photo` (dim,) unit vector in the space of photos, None without one; `typed`: signal -> that of the texts.

    `words` for BM25; how much photos and texts weigh (0..); `more` and `less` are vectors of what was marked right and
    wrong, in the space of photos.
    """

    photo: Vectors | None = None
    typed: dict[str, Vectors] = field(default_factory=dict)
    words: str = ""
    photo_weight: float = 0.0
    text_weight: float = 0.0
    more: tuple[Vectors, ...] = ()
    less: tuple[Vectors, ...] = ()


def encode_query(query: Query, photos: Vectors, context: SearchContext) -> EncodedQuery:
    """The likes of a query; `photos` (n, dim) are the unit vectors of its photo likes, in order."""
    seen = [like for like in query.likes if like.photo is not None]
    chosen = [like for like in query.likes if like.product is not None]
    typed = [like for like in query.likes if like.text is not None]
    rows = [*photos, *(_stored(like, context) for like in chosen)]
    photo, spoken = _weighted(rows, [*seen, *chosen]), {}
    if typed:
        texts = [_text(like, context) for like in typed]
        found = {signal: _weighted(list(encoded), typed) for signal, encoded in context.model.wanted(texts).items()}
        spoken = {signal: vector for signal, vector in found.items() if vector is not None}
    words = " ".join(_text(like, context) for like in typed if like.weight > 0)
    more, less = _marked(query.marked, context)
    weight = _positive([*seen, *chosen])
    if more and photo is None:  # a text alone: what was marked right speaks for pictures
        photo, weight, more = more[0], 1.0, more[1:]
    return EncodedQuery(photo, spoken, words, weight, _positive(typed), more, less)


def _marked(likes: Sequence[Like], context: SearchContext) -> tuple[tuple[Vectors, ...], tuple[Vectors, ...]]:
    """Vectors of what was marked right, and wrong."""
    limits, side = Limits.of(context.settings), context.model.photo.preprocessing.source_side

    def vector(like: Like) -> Vectors:
        if like.photo is None:
            return _stored(like, context)
        found: Vectors = context.model.photos([load(like.photo, limits, side=side)])[0]
        return found

    right = tuple(vector(like) for like in likes if like.weight > 0)
    return right, tuple(vector(like) for like in likes if like.weight < 0)


def _stored(like: Like, context: SearchContext) -> Vectors:
    space = context.model.photo.space.id
    page = context.index.scroll(
        where("_product", [str(like.product)]) & where("_primary", [True]), limit=1, vectors=True
    )
    if not page.points:
        raise NotFound(f"no product {like.product!r} in this catalogue")
    if space not in page.points[0].vectors:
        raise NotFound(f"product {like.product!r} has no vector in the space {space}; run: snapfind model build")
    return np.asarray(page.points[0].vectors[space], np.float32)


def _text(like: Like, context: SearchContext) -> str:
    """What was typed or pasted, without HTML as in the words of products. Raises BadQuery where it is too long."""
    text, most = like.text or "", context.settings.whole("max_text")
    if len(text) > most:
        raise BadQuery(f"the text has {len(text)} characters; the most is {most}", field="text")
    found = plain_text(text)
    return found if found.strip() else text


def _weighted(rows: Sequence[Vectors], likes: Sequence[Like]) -> Vectors | None:
    if not any(like.weight > 0 for like in likes):
        return None
    total = sum(np.float32(like.weight) * row for like, row in zip(likes, rows))
    length = float(np.linalg.norm(total))
    if length < 1e-6:
        raise BadQuery("the likes cancel each other out; change their weights")
    return np.asarray(total / length, np.float32)


def _positive(likes: Sequence[Like]) -> float:
    return sum(like.weight for like in likes if like.weight > 0)
