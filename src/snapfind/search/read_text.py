"""Text read in a photo as evidence of a photo search.

The text of the photo is compared with title, brand and the text read in the picture of each candidate: the cosine of
TF-IDF vectors of character 3- to 5-grams (Cavnar and Trenkle, "N-Gram-Based Text Categorization", 1994). It tolerates
characters that were read wrong. The document frequencies are those of the candidates, so a word that all of them carry,
such as the name of a maker, has little weight. Candidates are the nearest products, and the products that BM25 finds
with the text, each with its own cosine.

Reading takes about ten times as long as encoding. So a photo is read only if its first answer is uncertain, and at
least half of its three nearest products carry text.
"""

import math
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from snapfind.core.query import QueryTerm
from snapfind.encoders.base import Vectors
from snapfind.encoders.ocr.reader import TextReader, join_lines
from snapfind.index.base import IndexMatch, IndexQuery
from snapfind.index.filters import Filter, where
from snapfind.media.image.decode import Limits
from snapfind.search.category_prior import DEPTH
from snapfind.search.context import SearchContext
from snapfind.search.photo_regions import crop_photo

__all__ = [
    "CERTAIN",
    "NO_TEXT",
    "WEIGHT",
    "TextMatches",
    "fold",
    "is_worth_reading",
    "match_text",
    "read_photo",
    "similarities",
]

WEIGHT = 0.5  # of the text similarity against the cosine of pictures
CERTAIN = 0.7  # probability of the first hit from which a photo is not read
_NEAR = 3  # nearest products of which half must carry text: reads half as many photos as asking for one of ten
_FOUND = 20  # products by BM25 that join the candidates
_LENGTHS = (3, 4, 5)


@dataclass(frozen=True, slots=True)
class TextMatches:
    """Candidates of a photo search with the similarity of their text to that of the photo.

    Attributes:
        points: The nearest products, best first, with those that BM25 found by the text.
        similarities: Product id -> similarity of the text, 0..1.
    """

    points: list[IndexMatch]
    similarities: dict[str, float]

    @property
    def evidence(self) -> dict[str, float]:
        """Product id -> amount to add to its cosine."""
        return {product: WEIGHT * value for product, value in self.similarities.items()}


NO_TEXT = TextMatches([], {})


def is_worth_reading(score: float, nearest: Sequence[IndexMatch]) -> bool:
    """Tell whether a photo should be read: its first answer is uncertain, and most of the nearest products carry text.

    Args:
        score: Calibrated probability of the first hit.
        nearest: Points of the photo search, best first.

    Returns:
        True if reading may change the answer.
    """
    near = nearest[:_NEAR]
    printed = sum(bool(point.payload.get("_read")) for point in near)
    return score < CERTAIN and 0 < len(near) <= 2 * printed


def read_photo(term: QueryTerm, reader: TextReader, context: SearchContext) -> str:
    """Read the text in the photo of a query term, inside its box if it has one.

    Args:
        term: Query term with a photo.
        reader: Reads text.
        context: Limits of photos.

    Returns:
        Lines separated by newlines. Empty if there is no text.

    Raises:
        BadPicture: If the photo cannot be decoded.
    """
    return join_lines(reader.read(crop_photo(term, Limits.of(context.settings), reader.side)))


def match_text(
    text: str, vector: Vectors, nearest: Sequence[IndexMatch], context: SearchContext, filter: Filter | None = None
) -> TextMatches:
    """Compare the text of a photo with the text of its candidates.

    Args:
        text: Text that was read in the photo.
        vector: Unit vector of the photo in the image space, shape (dim,).
        nearest: Points of the photo search, best first.
        context: Index and model.
        filter: Restricts the products, or None.

    Returns:
        All of `nearest` and the products found by the text, with the similarities of the first candidates.
    """
    points = _join_found(fold(text), vector, nearest, context, filter)
    known = {point.id for point in nearest[DEPTH:]}  # the same candidates for every page of an answer
    documents = {str(one.payload["_product"]): document_of(one.payload) for one in points if one.id not in known}
    return TextMatches(points, similarities(text, documents))


def _join_found(
    words: str, vector: Vectors, nearest: Sequence[IndexMatch], context: SearchContext, filter: Filter | None
) -> list[IndexMatch]:
    """Append the products that BM25 finds, each with the cosine of its best picture."""
    if not words.strip():
        return list(nearest)
    known = {point.payload["_product"] for point in nearest}
    found = context.index.search(IndexQuery(words=words, filter=filter, limit=_FOUND))
    products = [str(point.payload["_product"]) for point in found if point.payload["_product"] not in known]
    if not products:
        return list(nearest)
    own = where("_product", products)
    joined = IndexQuery(
        context.model.photo.space.id, vector, filter=filter & own if filter else own, limit=len(products)
    )
    return sorted([*nearest, *context.index.search(joined)], key=lambda point: -point.score)


def similarities(text: str, documents: Mapping[str, str]) -> dict[str, float]:
    """Compare a text with documents.

    Args:
        text: Text that was read in a photo.
        documents: Name -> text.

    Returns:
        Name -> cosine 0..1 of every document.
    """
    grams = {name: _grams(own) for name, own in documents.items()}
    frequencies = Counter(gram for own in grams.values() for gram in own)
    weights = {gram: math.log((1 + len(grams)) / (1 + count)) + 1 for gram, count in frequencies.items()}
    query = {gram: count * weights.get(gram, 0.0) for gram, count in _grams(text).items()}
    length = _length(query)
    found: dict[str, float] = {}
    for name, own in grams.items():
        document = {gram: count * weights[gram] for gram, count in own.items()}
        shared = math.fsum(value * document[gram] for gram, value in query.items() if gram in document)
        found[name] = min(shared / (length * _length(document)), 1.0) if shared > 0 else 0.0
    return found


def document_of(payload: Mapping[str, Any]) -> str:
    """Return the text of a product that a photo can show: title, brand, and the text read in its picture."""
    return " ".join(str(payload[name]) for name in ("title", "brand", "_read") if payload.get(name))


def _grams(text: str) -> Counter[str]:
    """Count the n-grams of each word, padded with a space at both ends."""
    grams: Counter[str] = Counter()
    for word in fold(text).split():
        padded = f" {word} "
        grams.update(
            padded[start : start + size] for size in _LENGTHS for start in range(max(len(padded) - size + 1, 0))
        )
    return grams


def fold(text: str) -> str:
    """Lower-case a text, remove accents, and replace everything but letters and digits by spaces."""
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(sign))
    return "".join(sign if sign.isalnum() else " " for sign in plain)


def _length(vector: Mapping[str, float]) -> float:
    return math.sqrt(math.fsum(value * value for value in vector.values()))
