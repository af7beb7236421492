"""Query encoding: embeddings of a query in each space, with weights and negatives applied.

Query terms of one kind become one vector, their normalized weighted sum (Rocchio 1971). A negative weight moves the
query away from a photo, text or product. It means "less like this", not "without".
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
    """Embeddings of a query.

    Attributes:
        photo: Unit vector in the photo space, shape (dim,), or None for a query without photo or product.
        texts: Signal ("text", "bridge") -> unit vector of the texts.
        words: Text for BM25.
        photo_weight: Weight of the photo signal, 0 or more.
        text_weight: Weight of the text signals, 0 or more.
        more: Vectors of positive feedback, in the photo space.
        less: Vectors of negative feedback, in the photo space.
    """

    photo: Vectors | None = None
    texts: dict[str, Vectors] = field(default_factory=dict)
    words: str = ""
    photo_weight: float = 0.0
    text_weight: float = 0.0
    more: tuple[Vectors, ...] = ()
    less: tuple[Vectors, ...] = ()


def encode_query(query: Query, photos: Vectors, context: SearchContext) -> EncodedQuery:
    """Encode the terms and the feedback of a query.

    Args:
        query: The query.
        photos: Unit vectors of its photos in their order, shape (n, dim).
        context: Model, index and limits.

    Returns:
        The embeddings and weights of the query.

    Raises:
        BadQuery: If a text is too long, or the weighted terms cancel each other out.
        NotFound: If a product of the query does not exist or has no vector.
        BadPicture: If a photo of the feedback cannot be decoded.
    """
    photo_terms = [like for like in query.likes if like.photo is not None]
    product_terms = [like for like in query.likes if like.product is not None]
    text_terms = [like for like in query.likes if like.text is not None]
    rows = [*photos, *(_stored_vector(like, context) for like in product_terms)]
    photo, texts = _weighted_sum(rows, [*photo_terms, *product_terms]), {}
    if text_terms:
        encoded = context.model.encode_query_texts([_text(like, context) for like in text_terms])
        sums = {signal: _weighted_sum(list(vectors), text_terms) for signal, vectors in encoded.items()}
        texts = {signal: vector for signal, vector in sums.items() if vector is not None}
    words = " ".join(_text(like, context) for like in text_terms if like.weight > 0)
    more, less = _feedback_vectors(query.marked, context)
    weight = _positive_weight([*photo_terms, *product_terms])
    if more and photo is None:  # positive feedback is the photo of a query that has only text
        photo, weight, more = more[0], 1.0, more[1:]
    return EncodedQuery(photo, texts, words, weight, _positive_weight(text_terms), more, less)


def _feedback_vectors(likes: Sequence[Like], context: SearchContext) -> tuple[tuple[Vectors, ...], tuple[Vectors, ...]]:
    """Return the vectors of positive and of negative feedback."""
    limits, side = Limits.of(context.settings), context.model.photo.preprocessing.source_side

    def vector(like: Like) -> Vectors:
        if like.photo is None:
            return _stored_vector(like, context)
        encoded: Vectors = context.model.photos([load(like.photo, limits, side=side)])[0]
        return encoded

    positive = tuple(vector(like) for like in likes if like.weight > 0)
    return positive, tuple(vector(like) for like in likes if like.weight < 0)


def _stored_vector(like: Like, context: SearchContext) -> Vectors:
    """Return the vector of a product's primary picture."""
    space = context.model.photo.space.id
    primary = where("_product", [str(like.product)]) & where("_primary", [True])
    page = context.index.scroll(primary, limit=1, vectors=True)
    if not page.points:
        raise NotFound(f"no product {like.product!r} in this catalog")
    if space not in page.points[0].vectors:
        raise NotFound(f"product {like.product!r} has no vector in the space {space}; run: snapfind model build")
    return np.asarray(page.points[0].vectors[space], np.float32)


def _text(like: Like, context: SearchContext) -> str:
    """Return the text without HTML, as it is indexed for products. Raises BadQuery if it is too long."""
    text, most = like.text or "", context.settings.whole("max_text")
    if len(text) > most:
        raise BadQuery(f"the text has {len(text)} characters; the most is {most}", field="text")
    plain = plain_text(text)
    return plain if plain.strip() else text


def _weighted_sum(rows: Sequence[Vectors], likes: Sequence[Like]) -> Vectors | None:
    if not any(like.weight > 0 for like in likes):
        return None
    total = sum(np.float32(like.weight) * row for like, row in zip(likes, rows))
    length = float(np.linalg.norm(total))
    if length < 1e-6:
        raise BadQuery("the likes cancel each other out; change their weights")
    return np.asarray(total / length, np.float32)


def _positive_weight(likes: Sequence[Like]) -> float:
    return sum(like.weight for like in likes if like.weight > 0)
