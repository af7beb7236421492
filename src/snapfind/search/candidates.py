"""Candidates from each signal, filter first: nearest pictures, nearest texts, texts -> pictures, words.

A photo alone is one ranking and keeps the engine's order and paging; as soon as there are words, the rankings go on to
`fuse`, each cut at the same depth, so that pages of a fused answer are slices of one list.
"""

from dataclasses import dataclass, field, replace

from snapfind.core.errors import BadQuery
from snapfind.index.base import Ask, Found
from snapfind.index.filters import Filter, where
from snapfind.index.filters.operators import Exists, Not
from snapfind.search.category_prior import DEPTH as LEANT
from snapfind.search.context import SearchContext
from snapfind.search.encode_query import EncodedQuery
from snapfind.search.exact_match import named
from snapfind.search.stop_words import content_words

__all__ = ["DEPTH", "Candidates", "find_candidates"]

DEPTH = 400  # products of each ranking that are fused: far above what a shopper pages to
TEXT_SHARES = {"text": 0.5, "words": 0.5, "bridge": 0.5}  # a product is found by the first two, or by the last
_UNTITLED = Not(Exists("title"))


@dataclass(frozen=True, slots=True)
class Candidates:
    """`rankings`: signal -> points, best first, one for each product; `weights`: signal -> its say in the fusion;
    `words` is what was typed.
    """

    rankings: dict[str, list[Found]] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    words: str = ""


def find_candidates(
    wanted: EncodedQuery, context: SearchContext, filter: Filter | None, limit: int, category: str | None = None
) -> Candidates:
    """Ask the index once for each signal of the query, for the first `limit` products and the one behind them.

    Products of `category` are asked for once more and follow behind, so that none is out of reach. Raises BadQuery
    when a fused answer is asked for more than the depth.
    """
    asks = _asks(wanted, context, filter)
    fused = len(asks) > 1
    if fused and limit > DEPTH:
        raise BadQuery(f"a query with words gives at most {DEPTH} products; ask for fewer", field="limit")
    # The one behind the last is there so that the margin of a single hit is known.
    depth = DEPTH if fused else max(limit, LEANT) + 1
    rankings = {signal: context.index.search(replace(ask, limit=depth)) for signal, ask in asks.items()}
    if "words" in rankings and not content_words(wanted.words):  # "the" finds a product that is called so, no other
        called = named(rankings["words"], wanted.words)
        rankings["words"] = [one for one in rankings["words"] if str(one.payload["_product"]) in called]
    if category:
        only = where("category", [category])
        for signal, ask in asks.items():
            inside = replace(ask, limit=depth, filter=ask.filter & only if ask.filter else only)
            rankings[signal] = _joined(rankings[signal], context.index.search(inside))
    weights = {signal: wanted.text_weight * part for signal, part in TEXT_SHARES.items() if signal in asks}
    photo = {"photo": wanted.photo_weight} if "photo" in asks else {}
    return Candidates(rankings, weights | photo, wanted.words)


def _joined(found: list[Found], more: list[Found]) -> list[Found]:
    known = {one.id for one in found}
    return found + [one for one in more if one.id not in known]


def _bridged(context: SearchContext, filter: Filter | None) -> Filter | None:
    """A text tower speaks for every product; beside texts of its own ConSE only adds noise to a product
    (benchmarks/text_to_product.py)."""
    if context.model.photo.words is not None:
        return filter
    return filter & _UNTITLED if filter else _UNTITLED


def _asks(wanted: EncodedQuery, context: SearchContext, filter: Filter | None) -> dict[str, Ask]:
    photo = context.model.photo.space.id
    asks = {}
    if wanted.photo is not None:
        asks["photo"] = Ask(photo, wanted.photo, more=wanted.more, less=wanted.less, filter=filter)
    if wanted.words:
        asks["text"] = Ask(context.model.text.space.id, wanted.typed["text"], filter=filter)
        asks["bridge"] = Ask(context.model.bridge.id, wanted.typed["bridge"], filter=_bridged(context, filter))
        asks["words"] = Ask(words=content_words(wanted.words) or wanted.words, filter=filter)
    # a catalogue without pictures has no spaces yet
    return {signal: ask for signal, ask in asks.items() if ask.words or ask.space in context.index.spaces()}
