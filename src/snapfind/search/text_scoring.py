"""Ranking and scoring of the answers to a text.

Products with a title are ordered by rank fusion of dense similarity and BM25, plus the coverage of the query's terms.
Coverage finds a product by a sentence of its description, which rank fusion alone often does not: recall@1 .83 -> .98
on one shop and .33 -> .42 on another, and titles are found as before. Products without a title have only a similarity
to their picture, which is much less certain, so they are placed by their probability.

The score of a product is the probability that it answers the text (calibration.py). The order follows other evidence
than the score, so each score is raised to the best one below it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from snapfind.index.base import IndexMatch
from snapfind.index.payload import product_of, words_of
from snapfind.search.candidates import Rankings
from snapfind.search.context import SearchContext
from snapfind.search.exact_match import IDENTIFIER, NOT_EXACT, exact_matches
from snapfind.search.rank_fusion import fuse, share
from snapfind.search.signals import BM25, TEXT, TEXT_TO_IMAGE
from snapfind.search.stop_words import content_words, in_same_language
from snapfind.search.text_evidence import coverage, is_code, text_features

__all__ = ["is_text_alone", "rank_text"]

_COVERAGE = 0.375  # weight beside the share of the fused score; chosen on titles and descriptions of luma and myntra
# Where the catalog has texts in the language of the query, a match has a common term: texts of one language are similar
# whatever they are about.
_UNCOVERED = 0.45
_UNTITLED = 2.0  # place of an untitled product per probability, so that .25 stands where a single signal's first does


def is_text_alone(rankings: Rankings, context: SearchContext) -> bool:
    """Tell whether only the built-in signals of a text rank products.

    Args:
        rankings: Rankings of the query.
        context: Model that answers. An image encoder with a text tower of its own has other similarities.

    Returns:
        True if `rank_text` can score them.
    """
    known = {TEXT.name, TEXT_TO_IMAGE.name, BM25.name}
    return bool(rankings.points) and set(rankings.points) <= known and context.model.photo.words is None


def rank_text(rankings: Rankings, context: SearchContext) -> list[tuple[str, float]]:
    """Order and score the products that a text may mean.

    A code that no product has, or stop words alone, give scores of 0. The identifier of a product gives that product
    alone.

    Args:
        rankings: Rankings of the text signals.
        context: Calibration, schema and model.

    Returns:
        Pairs of product and probability, best first. Probabilities never rise.
    """
    exact = exact_matches([point for points in rankings.points.values() for point in points], rankings.words)
    if is_code(rankings.words) and IDENTIFIER in exact.values():
        return [(product, 1.0) for product, rank in exact.items() if rank == IDENTIFIER]
    places, scores = _titled(rankings, context)
    for product, score in _untitled(rankings, context).items():
        places[product] = max(_UNTITLED * score, places.get(product, 0.0))
        scores[product] = max(score, scores.get(product, 0.0))
    unknown_code = is_code(rankings.words) and not rankings.points.get(BM25.name)
    if unknown_code or not content_words(rankings.words):
        scores = dict.fromkeys(scores, 0.0)
    ordered = sorted(places, key=lambda product: (exact.get(product, NOT_EXACT), -places[product], product))
    best_below = np.maximum.accumulate([1.0 if product in exact else scores[product] for product in reversed(ordered)])
    return list(zip(ordered, best_below[::-1].tolist()))


def _titled(rankings: Rankings, context: SearchContext) -> tuple[dict[str, float], dict[str, float]]:
    """Return the place value and the score of each product with a title, or with a term of the query."""
    points = {name: rankings.points[name] for name in (TEXT.name, BM25.name) if name in rankings.points}
    ids = {name: [str(point.payload["_product"]) for point in ranking] for name, ranking in points.items()}
    payloads = {str(point.payload["_product"]): point for ranking in points.values() for point in ranking}
    if not payloads:
        return {}, {}
    weights = {name: rankings.weights[name] for name in points}
    fused = dict(fuse(ids, weights))
    products = list(fused)
    texts = [_document(payloads[product].payload, context) for product in products]
    total = sum(weight for _, weight in rankings.texts)
    covered = sum((weight / total * coverage(text, texts) for text, weight in rankings.texts), np.zeros(len(texts)))
    similar = {str(point.payload["_product"]): point.score for point in points.get(TEXT.name, ())}
    features = text_features([similar.get(product) for product in products], rankings.background or 0.0, covered)
    scores = context.calibration.text_scores(features)
    if any(in_same_language(rankings.words, text) for text in texts):
        scores = [score if own > 0 else min(score, _UNCOVERED) for score, own in zip(scores, covered)]
    places = {
        product: share(fused[product], weights) + _COVERAGE * own
        for product, own in zip(products, covered)
        if own > 0 or payloads[product].payload.get("title")
    }
    return places, {product: score for product, score in zip(products, scores) if product in places}


def _untitled(rankings: Rankings, context: SearchContext) -> dict[str, float]:
    """Return the score of each product without a title, by its picture."""
    points: Sequence[IndexMatch] = rankings.points.get(TEXT_TO_IMAGE.name, ())
    alone = [point for point in points if not point.payload.get("title")]
    scores = context.calibration.untitled_scores([point.score for point in alone])
    return {str(point.payload["_product"]): score for point, score in zip(alone, scores)}


def _document(payload: Mapping[str, Any], context: SearchContext) -> str:
    """Return the text of a product with the text that was read in its picture."""
    return f"{words_of(product_of(payload, context.schema, ()))} {payload.get('_read') or ''}"
