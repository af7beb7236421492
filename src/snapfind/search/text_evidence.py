"""Evidence that a product answers a text query: dense similarity, background similarity and term coverage.

Embeddings of E5 lie in a narrow cone, so a cosine alone does not tell whether the shop sells what was asked for. Two
comparisons do. The background similarity is that of the query to the nearest of 1,000 class names (ImageNet): if a name
is nearer than every product, the query is probably about something else. The term coverage is the part of the query's
terms that the product's texts contain, where rare terms count more. It needs no statistics of the catalog: the rarity
of a term is measured among the candidates.
"""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from snapfind.search.stop_words import content_words

__all__ = ["background_similarity", "coverage", "is_code", "terms", "text_features"]

_WORD = re.compile(r"[^\W_]+")
_IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
_STEM, _ENDING = 4, 3  # letters that two forms of a word share at least, and that they differ in at most
_WHOLE = 0.999  # coverage from which all terms count as covered
_FORM = 0.8  # of a term that the text has in another form only, such as the plural


def terms(text: str) -> list[str]:
    """Split a text into terms: words in lower case without accents, and bigrams of Chinese, Japanese and Korean.

    Args:
        text: Any text.

    Returns:
        The terms in their order.
    """
    folded = unicodedata.normalize("NFKD", text.casefold())
    plain = unicodedata.normalize("NFC", "".join(sign for sign in folded if not unicodedata.combining(sign)))
    found: list[str] = []
    for word in _WORD.findall(plain):
        if _IDEOGRAPH.search(word) and len(word) > 2:
            found += [word[at : at + 2] for at in range(len(word) - 1)]
        else:
            found.append(word)
    return found


def is_code(text: str) -> bool:
    """Tell whether a query is one code, such as an SKU or an EAN: no spaces, at least four signs, a digit."""
    word = text.strip()
    return len(word) >= 4 and not any(sign.isspace() for sign in word) and any(sign.isdigit() for sign in word)


def coverage(query: str, texts: Sequence[str]) -> NDArray[np.float64]:
    """Compute the part of the query's terms that each text contains, weighted by rarity.

    Args:
        query: Text of the query. Stop words are left out.
        texts: Texts of n candidates.

    Returns:
        Coverage 0..1, shape (n,). A term in another form, such as the plural, counts .8.
    """
    wanted = list(dict.fromkeys(terms(content_words(query))))
    if not wanted or not texts:
        return np.zeros(len(texts))
    documents = [frozenset(terms(text)) for text in texts]
    matched = np.array([[_match(term, document) for term in wanted] for document in documents])
    counts = (matched > 0).sum(axis=0)
    rarity = np.log(1 + len(texts) / (1 + counts))
    return np.asarray(matched @ rarity / rarity.sum(), np.float64)


def background_similarity(query: NDArray[np.float32], names: NDArray[np.float32]) -> float:
    """Compute the largest cosine of a query and the class names.

    Args:
        query: Unit vector of the query, shape (dim,).
        names: Unit rows of the names, shape (n, dim).

    Returns:
        The cosine with the nearest name.
    """
    return float((names @ query).max())


def text_features(
    similarities: Sequence[float | None], background: float, covered: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Stack the features of text calibration.

    Args:
        similarities: Dense similarity of n candidates. None if a candidate is not among the nearest: it gets the
            lowest similarity of the others.
        background: Background similarity of the query.
        covered: Coverage of the candidates, shape (n,).

    Returns:
        Similarity, background, and 1 where all terms are covered, shape (n, 3).
    """
    known = [value for value in similarities if value is not None]
    lowest = min(known, default=background)
    dense = np.array([lowest if value is None else value for value in similarities], np.float64)
    return np.stack([dense, np.full(len(dense), background), covered > _WHOLE], axis=1).reshape(-1, 3)


def _match(term: str, document: frozenset[str]) -> float:
    if term in document:
        return 1.0
    if len(term) < _STEM or _IDEOGRAPH.search(term):
        return 0.0
    return _FORM if any(_is_form(term, other) for other in document) else 0.0


def _is_form(one: str, other: str) -> bool:
    """Tell whether two words differ in their endings alone."""
    shared = 0
    for a, b in zip(one, other):
        if a != b:
            break
        shared += 1
    longest = max(len(one), len(other))
    return shared >= _STEM and longest - shared <= _ENDING and shared >= 0.6 * longest
