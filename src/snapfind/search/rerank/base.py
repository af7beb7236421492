"""A second, closer look at the first candidates: compare in chunks, judge each alone, merge.

After Pailitao-VL (arXiv 2602.13704), whose reranker compares the candidates of a chunk with each other and gives each
an absolute score beside, because the orders of two chunks cannot be compared. We have not read how the two are merged;
the rule here is our own: the score orders everything, and where scores are near, the chunk's order decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL.Image import Image

__all__ = ["CHUNK", "MOST", "Compared", "Plan", "Reranked", "Reranker", "merge", "rerank"]

CHUNK = 8
MOST = 20  # candidates: each costs about one pass of the network


@dataclass(frozen=True, slots=True)
class Plan:
    """How far a reranker is trusted.

    It sees the first `candidates` (2 to 20). Its score weighs `weight` (0..1), the calibrated probability the rest.
    Scores are near where they differ by at most `epsilon` (0..1).
    """

    candidates: int = 10
    weight: float = 0.3
    epsilon: float = 0.02


@dataclass(frozen=True, slots=True)
class Compared:
    """What a reranker says of a chunk of n pictures: `order`, a permutation of 0..n-1, best first, by comparing them
    with each other; `scores`, n of 0..1, that mean the same in every chunk.
    """

    order: Sequence[int]
    scores: Sequence[float]


class Reranker(Protocol):
    """Compares a photo with the pictures of a chunk. Any thread may call it."""

    @property
    def plan(self) -> Plan:
        """How far it is trusted."""
        ...

    def compare(self, photo: Image, pictures: Sequence[Image]) -> Compared:
        """The searched part of a photo, and at most CHUNK catalogue pictures, in the order of the first search."""
        ...


@dataclass(frozen=True, slots=True)
class Reranked:
    """`order`: places of the first search in their new order; `checks`: place -> the reranker's score, 0..1."""

    order: list[int]
    checks: dict[int, float]


def rerank(
    reranker: Reranker, photo: Image, pictures: Sequence[Image | None], probabilities: Sequence[float]
) -> Reranked:
    """The places 0..n-1 of n ranked candidates anew, from their n `probabilities`.

    `pictures` are those of the first candidates, at most n. A candidate without one (None) and all behind them keep
    their places.
    """
    plan = reranker.plan
    seen = [place for place, picture in enumerate(pictures[: plan.candidates]) if picture is not None]
    checks: dict[int, float] = {}
    chunks = []
    for chunk in (seen[at : at + CHUNK] for at in range(0, len(seen), CHUNK)):
        compared = reranker.compare(photo, [picture for place in chunk if (picture := pictures[place]) is not None])
        checks |= dict(zip(chunk, compared.scores))
        chunks.append([chunk[at] for at in compared.order])
    scores = {place: (1 - plan.weight) * probabilities[place] + plan.weight * check for place, check in checks.items()}
    order = list(range(len(probabilities)))
    for place, moved in zip(seen, merge(scores, chunks, plan.epsilon)):
        order[place] = moved
    return Reranked(order, checks)


def merge(scores: dict[int, float], chunks: Sequence[Sequence[int]], epsilon: float) -> list[int]:
    """The places of `scores`, best first; `chunks` hold each of them once, each chunk in its own order, best first.

    By score, equal ones of different chunks by place. A band reaches from its best score down by `epsilon`: inside it
    the places that a chunk holds are filled in the chunk's order. So the chunk's order stands where scores tie, and
    two places of different bands are always ordered by score.
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
    """Each chunk keeps the slots that it has in the band and fills them in its own order."""
    waiting = {
        number: iter(sorted((place for place in band if chunk_of[place] == number), key=rank.__getitem__))
        for number in {chunk_of[place] for place in band}
    }
    return [next(waiting[chunk_of[place]]) for place in band]
