"""What shoppers did with the answers, as labeled photos: a photo that was kept and the product it was settled by.

Of one search the strongest act counts, a purchase before a cart before a click, and of equal ones the last: who is
satisfied stops. A search whose category was switched or whose box was changed afterwards began wrong; what is clicked
then belongs to the search that followed.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from snapfind.catalog.catalog import Catalog
from snapfind.events.event import Event

__all__ = ["Candidate", "capped", "labels", "parted", "settled"]

_STRENGTH = {"click": 1, "cart": 2, "purchase": 3}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A kept photo of a search and the product that settled it; `session` is the keyed hash, "" without one."""

    search: str
    photo: Path
    product: str
    act: str
    session: str
    at: datetime


def settled(events: Iterable[Event]) -> dict[str, Event]:
    """Search id -> the act that settled it."""
    found: dict[str, Event] = {}
    for event in sorted(events, key=lambda one: one.at):
        strength = _STRENGTH.get(event.kind, 0)
        if strength and event.search:
            before = found.get(event.search)
            if before is None or strength >= _STRENGTH[before.kind]:
                found[event.search] = event
    return found


def labels(catalog: Catalog, since: datetime | None = None) -> list[Candidate]:
    """Candidates in order of time: searches whose photo was kept, of products that are still there."""
    known = {product.id for product in catalog.products()}
    found = []
    for search, event in settled(catalog.events.read(since=since)).items():
        photo = catalog.asked.find(search)
        if photo is not None and event.product in known:
            found.append(Candidate(search, photo, event.product, event.kind, event.session, event.at))
    return sorted(found, key=lambda one: (one.at, one.search))


def capped(candidates: Sequence[Candidate], a_session: int, a_product: int) -> list[Candidate]:
    """The newest of each session and of each product, so that no person and no product speaks for all.

    Searches without a session are nobody's and count together as one.
    """
    sessions: Counter[str] = Counter()
    products: Counter[str] = Counter()
    kept = []
    for one in reversed(candidates):
        if sessions[one.session] < a_session and products[one.product] < a_product:
            sessions[one.session] += 1
            products[one.product] += 1
            kept.append(one)
    return kept[::-1]


def parted(candidates: Sequence[Candidate], fresh: int) -> tuple[list[Candidate], list[Candidate]]:
    """To learn from, and every `fresh`th session held out: all photos of a session are on one side, in every turn."""
    held = [
        int.from_bytes(sha256((one.session or one.search).encode()).digest()[:4]) % fresh == 0 for one in candidates
    ]
    return (
        [one for one, out in zip(candidates, held) if not out],
        [one for one, out in zip(candidates, held) if out],
    )
