"""Query encoding: embeddings of a query in each space, with weights and negatives applied.

Query terms of one kind become one vector, their normalized weighted sum (Rocchio 1971). A negative weight moves the
query away from a photo, text or product. It means "less like this", not "without".
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from snapfind.core.errors import BadQuery, NotFound
from snapfind.core.query import Query, QueryTerm
from snapfind.encoders.base import Vectors
from snapfind.index.filters import where
from snapfind.index.html_text import plain_text
from snapfind.media.image.decode import Limits, load
from snapfind.search.context import SearchContext
from snapfind.search.photo_regions import EncodedImage
from snapfind.search.signals import IMAGE, SIGNALS, Modality, Signal

__all__ = ["EncodedQuery", "encode_query"]


@dataclass(frozen=True, slots=True)
class EncodedQuery:
    """Embeddings of a query.

    Attributes:
        vectors: Signal -> unit vector, shape (dim,). A signal that does not apply is missing.
        words: Text for BM25.
        texts: Positive texts with their weights.
        weights: Modality of the query -> weight, 0 or more.
        more: Vectors of positive feedback, in the image space.
        less: Vectors of negative feedback, in the image space.
    """

    vectors: dict[str, Vectors] = field(default_factory=dict)
    words: str = ""
    texts: tuple[tuple[str, float], ...] = ()
    weights: dict[Modality, float] = field(default_factory=dict)
    more: tuple[Vectors, ...] = ()
    less: tuple[Vectors, ...] = ()


def encode_query(query: Query, image: EncodedImage, context: SearchContext) -> EncodedQuery:
    """Encode the terms and the feedback of a query for each signal.

    Args:
        query: The query.
        image: Its encoded photos.
        context: Model, index and limits.

    Returns:
        The embeddings and weights of the query.

    Raises:
        BadQuery: If a text is too long, or the weighted terms cancel each other out.
        NotFound: If a product of the query does not exist or has no vector.
        BadPicture: If a photo of the feedback cannot be decoded.
    """
    photo_terms = [term for term in query.terms if term.photo is not None]
    product_terms = [term for term in query.terms if term.product is not None]
    text_terms = [term for term in query.terms if term.text is not None]
    image_terms = [*photo_terms, *product_terms]
    texts = [_text(term, context) for term in text_terms]
    rows = dict(context.model.encode_query_texts(texts)) if texts else {}
    rows[IMAGE.name] = image.vectors
    vectors: dict[str, Vectors] = {}
    for signal in SIGNALS:
        inputs: Sequence[Any] = image.searched if signal.query == "image" else texts
        encoded = signal.encoder.encode_query(inputs) if signal.encoder and inputs else rows.get(signal.name, ())
        pairs = list(zip(photo_terms if signal.query == "image" else text_terms, encoded))
        for term in product_terms if signal.query == "image" else ():
            row = _stored_vector(term, signal, context)
            pairs += [] if row is None else [(term, row)]
        vector = _weighted_sum(pairs)
        if vector is not None:
            vectors[signal.name] = vector
    weights: dict[Modality, float] = {"image": _positive_weight(image_terms), "text": _positive_weight(text_terms)}
    more, less = _feedback_vectors(query.marked, context)
    if more and IMAGE.name not in vectors:  # positive feedback is the photo of a query that has only text
        vectors[IMAGE.name], weights["image"], more = more[0], 1.0, more[1:]
    positive = tuple((text, term.weight) for text, term in zip(texts, text_terms) if term.weight > 0)
    return EncodedQuery(vectors, " ".join(text for text, _ in positive), positive, weights, more, less)


def _feedback_vectors(
    terms: Sequence[QueryTerm], context: SearchContext
) -> tuple[tuple[Vectors, ...], tuple[Vectors, ...]]:
    """Return the vectors of positive and of negative feedback."""
    limits, side = Limits.of(context.settings), context.model.photo.preprocessing.source_side

    def vector(term: QueryTerm) -> Vectors:
        if term.photo is None:
            return _required_vector(term, context)
        encoded: Vectors = context.model.encode_query_images([load(term.photo, limits, side=side)])[0]
        return encoded

    positive = tuple(vector(term) for term in terms if term.weight > 0)
    return positive, tuple(vector(term) for term in terms if term.weight < 0)


def _stored_vector(term: QueryTerm, signal: Signal, context: SearchContext) -> Vectors | None:
    """Return the vector of a product's primary picture, or None if a registered signal has none for it."""
    if signal.encoder is None:
        return _required_vector(term, context)
    return _primary_vectors(term, context).get(signal.encoder.space.id)


def _required_vector(term: QueryTerm, context: SearchContext) -> Vectors:
    """Return the vector of a product's primary picture in the image space."""
    space, vectors = context.model.photo.space.id, _primary_vectors(term, context)
    if space not in vectors:
        raise NotFound(f"no vector of product {term.product!r} in the space {space}; run: snapfind model build")
    return vectors[space]


def _primary_vectors(term: QueryTerm, context: SearchContext) -> dict[str, Vectors]:
    primary = where("_product", [str(term.product)]) & where("_primary", [True])
    page = context.index.scroll(primary, limit=1, vectors=True)
    if not page.points:
        raise NotFound(f"no product {term.product!r} in this catalog")
    return {space: np.asarray(vector, np.float32) for space, vector in page.points[0].vectors.items()}


def _text(term: QueryTerm, context: SearchContext) -> str:
    """Return the text without HTML, as it is indexed for products. Raises BadQuery if it is too long."""
    text, most = term.text or "", context.settings.whole("max_text")
    if len(text) > most:
        raise BadQuery(f"the text has {len(text)} characters; the most is {most}", field="text")
    plain = plain_text(text)
    return plain if plain.strip() else text


def _weighted_sum(pairs: Sequence[tuple[QueryTerm, Vectors]]) -> Vectors | None:
    if not any(term.weight > 0 for term, _ in pairs):
        return None
    total = sum(np.float32(term.weight) * row for term, row in pairs)
    length = float(np.linalg.norm(total))
    if length < 1e-6:
        raise BadQuery("The query terms cancel each other out. Change their weights.")
    return np.asarray(total / length, np.float32)


def _positive_weight(terms: Sequence[QueryTerm]) -> float:
    return sum(term.weight for term in terms if term.weight > 0)
