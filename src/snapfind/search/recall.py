"""Candidates from each signal, filter first: nearest pictures, nearest texts, texts -> pictures, words.

A photo alone is one ranking and keeps the engine's order and paging; as soon as there are words, the rankings go on to
`fuse`, each cut at the same depth, so that pages of a fused answer are slices of one list.
"""

from dataclasses import dataclass, field

from snapfind.errors import BadQuery
from snapfind.index.filters import Filter
from snapfind.index.port import Ask, Found
from snapfind.search.shelf import Shelf
from snapfind.search.want import Want

__all__ = ["DEPTH", "Recalled", "recall"]

DEPTH = 400  # products of each ranking that are fused: far above what a shopper pages to


@dataclass(frozen=True, slots=True)
class Recalled:
    """`rankings`: signal -> points, best first, one for each product; `weights`: signal -> its say in the fusion."""

    rankings: dict[str, list[Found]] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)


def recall(wanted: Want, shelf: Shelf, filter: Filter | None, limit: int, offset: int) -> Recalled:
    """Ask the index once for each signal of the query. Raises BadQuery when paging leads beyond the depth."""
    signals = _signals(wanted, shelf)
    fused = len(signals) > 1
    if fused and offset + limit > DEPTH:
        raise BadQuery(f"a query with words gives at most {DEPTH} products; ask for fewer", field="limit")
    rankings, weights = {}, {}
    for signal, (ask, weight) in signals.items():
        depth = {"limit": DEPTH} if fused else {"limit": limit + 1, "offset": offset}
        rankings[signal] = shelf.index.search(Ask(filter=filter, **ask, **depth))
        weights[signal] = weight
    return Recalled(rankings, weights)


def _signals(wanted: Want, shelf: Shelf) -> dict[str, tuple[dict[str, object], float]]:
    photo = shelf.model.photo.space.id
    signals: dict[str, tuple[dict[str, object], float]] = {}
    if photo in wanted.vectors:
        signals["photo"] = ({"space": photo, "vector": wanted.vectors[photo]}, wanted.photo_weight)
    if not wanted.words:
        return signals
    text, bridge = shelf.model.text.space.id, shelf.model.conse.space.id
    for signal, space in (("text", text), ("bridge", bridge)):
        signals[signal] = ({"space": space, "vector": wanted.vectors[space]}, wanted.text_weight * TEXT_SHARES[signal])
    signals["words"] = ({"words": wanted.words}, wanted.text_weight * TEXT_SHARES["words"])
    return signals


# How the say of a text is parted among its three signals.
TEXT_SHARES = {"text": 0.4, "words": 0.4, "bridge": 0.2}
