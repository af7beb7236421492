"""Reranking of the first candidates: compare within chunks, score each alone, merge.

After Pailitao-VL (arXiv 2602.13704). Its reranker compares the candidates of a chunk with each other and also gives
each an absolute score, because the orders of two chunks are not comparable. How the paper merges the two is not known
to us. The rule here is our own: the score orders all candidates, and the chunk order decides between near scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL.Image import Image

__all__ = ["CHUNK", "MOST", "Compared", "RerankConfig", "Reranked", "Reranker", "merge", "rerank"]

CHUNK = 8
MOST = 20  # candidates: each costs about one pass of the network


@dataclass(frozen=True, slots=True)
class RerankConfig:
    """Settings of a reranker.

    Attributes:
        candidates: Number of candidates to rerank, 2 to 20.
        weight: Weight of its score, 0..1. The calibrated probability has the rest.
        epsilon: Largest difference of near scores, 0..1.
    """

    candidates: int = 10
    weight: float = 0.3
    epsilon: float = 0.02


@dataclass(frozen=True, slots=True)
class Compared:
    """Result of a reranker for a chunk of n pictures.

    Attributes:
        order: Permutation of 0..n-1, best first, from a comparison of the pictures with each other.
        scores: n absolute scores, 0..1, comparable between chunks.
    """

    order: Sequence[int]
    scores: Sequence[float]


class Reranker(Protocol):
    """Compares a photo with product pictures. Thread-safe."""

    @property
    def config(self) -> RerankConfig:
        """Settings of the reranker."""
        ...

    def compare(self, photo: Image, pictures: Sequence[Image]) -> Compared:
        """Compare a photo with the pictures of one chunk.

        Args:
            photo: Searched part of the photo.
            pictures: At most `CHUNK` product pictures, in the order of the first search.

        Returns:
            Their order and scores.
        """
        ...


@dataclass(frozen=True, slots=True)
class Reranked:
    """A new order.

    Attributes:
        order: Positions of the first search in their new order.
        checks: Position -> score of the reranker, 0..1.
    """

    order: list[int]
    checks: dict[int, float]


def rerank(
    reranker: Reranker, photo: Image, pictures: Sequence[Image | None], probabilities: Sequence[float]
) -> Reranked:
    """Rerank the first of n candidates.

    Args:
        reranker: Compares the photo with the pictures.
        photo: Searched part of the photo.
        pictures: Pictures of the first candidates, at most n. A candidate whose picture is None keeps its position.
        probabilities: Calibrated probabilities of all n candidates.

    Returns:
        The new order of positions 0..n-1 and the scores of the reranker.
    """
    config = reranker.config
    places = [place for place, picture in enumerate(pictures[: config.candidates]) if picture is not None]
    checks: dict[int, float] = {}
    chunks = []
    for chunk in (places[at : at + CHUNK] for at in range(0, len(places), CHUNK)):
        compared = reranker.compare(photo, [picture for place in chunk if (picture := pictures[place]) is not None])
        checks |= dict(zip(chunk, compared.scores))
        chunks.append([chunk[at] for at in compared.order])
    scores = {
        place: (1 - config.weight) * probabilities[place] + config.weight * check for place, check in checks.items()
    }
    order = list(range(len(probabilities)))
    for place, moved in zip(places, merge(scores, chunks, config.epsilon)):
        order[place] = moved
    return Reranked(order, checks)


def merge(scores: dict[int, float], chunks: Sequence[Sequence[int]], epsilon: float) -> list[int]:
    """Merge the orders of chunks by score.

    Candidates are sorted by score, ties by position, and split into bands. A band reaches from its best score down by
    `epsilon`. Within a band, the slots of a chunk are filled in the order of the chunk. Candidates of different bands
    are always ordered by score.

    Args:
        scores: Position -> score.
        chunks: Positions of each chunk, best first. Each position is in exactly one chunk.
        epsilon: Height of a band.

    Returns:
        All positions, best first.
    """
    chunk_of = {place: number for number, chunk in enumerate(chunks) for place in chunk}
    rank = {place: at for chunk in chunks for at, place in enumerate(chunk)}
    merged: list[int] = []
    band: list[int] = []
    for place in sorted(scores, key=lambda place: (-scores[place], place)):
        if band and scores[band[0]] - scores[place] > epsilon:
            merged += _by_chunk(band, chunk_of, rank)
            band = []
        band.append(place)
    return merged + _by_chunk(band, chunk_of, rank)


def _by_chunk(band: Sequence[int], chunk_of: dict[int, int], rank: dict[int, int]) -> list[int]:
    """Order a band: each chunk keeps its slots and fills them in its own order."""
    waiting = {
        number: iter(sorted((place for place in band if chunk_of[place] == number), key=rank.__getitem__))
        for number in {chunk_of[place] for place in band}
    }
    return [next(waiting[chunk_of[place]]) for place in band]
