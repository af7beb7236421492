"""Labels from clicks: a stored query photo is labeled with the product that the shopper chose.

The strongest action of a search counts: purchase before cart before click, and the last of equal ones. If the shopper
switched the category or changed the box, the click belongs to the search that followed.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from snapfind.catalog.catalog import Catalog
from snapfind.events.event import Event

__all__ = ["ClickLabel", "cap_labels", "choices_by_search", "read_labels", "split_labels"]

_STRENGTH = {"click": 1, "cart": 2, "purchase": 3}


@dataclass(frozen=True, slots=True)
class ClickLabel:
    """A stored query photo with its label.

    Args:
        search: Id of the search.
        photo: File of the photo.
        product: Id of the product that the shopper chose.
        action: Kind of the event: click, cart or purchase.
        session: Keyed hash of the session, "" if there is none.
        at: Time of the event.
    """

    search: str
    photo: Path
    product: str
    action: str
    session: str
    at: datetime


def choices_by_search(events: Iterable[Event]) -> dict[str, Event]:
    """Return the event that shows the choice of the shopper, for each search.

    Args:
        events: Events in any order.

    Returns:
        Search id -> strongest event, the last of equal ones.
    """
    choices: dict[str, Event] = {}
    for event in sorted(events, key=lambda one: one.at):
        strength = _STRENGTH.get(event.kind, 0)
        if strength and event.search:
            before = choices.get(event.search)
            if before is None or strength >= _STRENGTH[before.kind]:
                choices[event.search] = event
    return choices


def read_labels(catalog: Catalog, since: datetime | None = None) -> list[ClickLabel]:
    """Read the click labels of a catalog.

    Args:
        catalog: Catalog with events and stored query photos.
        since: Earliest time of the events.

    Returns:
        Labels of the searches whose photo is stored, of products that still exist, in order of time.
    """
    existing = {product.id for product in catalog.products()}
    result = []
    for search, event in choices_by_search(catalog.events.read(since=since)).items():
        photo = catalog.query_photos.find(search)
        if photo is not None and event.product in existing:
            result.append(ClickLabel(search, photo, event.product, event.kind, event.session, event.at))
    return sorted(result, key=lambda one: (one.at, one.search))


def cap_labels(labels: Sequence[ClickLabel], per_session: int, per_product: int) -> list[ClickLabel]:
    """Limit the number of labels of each session and of each product. The newest are used.

    Args:
        labels: Labels in order of time.
        per_session: Maximum number of labels of one session. Searches without a session count as one session.
        per_product: Maximum number of labels of one product.

    Returns:
        The remaining labels in order of time.
    """
    sessions: Counter[str] = Counter()
    products: Counter[str] = Counter()
    result = []
    for label in reversed(labels):
        if sessions[label.session] < per_session and products[label.product] < per_product:
            sessions[label.session] += 1
            products[label.product] += 1
            result.append(label)
    return result[::-1]


def split_labels(labels: Sequence[ClickLabel], every: int) -> tuple[list[ClickLabel], list[ClickLabel]]:
    """Split labels into training and test labels by a hash of the session.

    Args:
        labels: The labels.
        every: One in this number of sessions is a test session.

    Returns:
        Training labels and test labels. All labels of a session are on the same side, in every run.
    """
    train: list[ClickLabel] = []
    test: list[ClickLabel] = []
    for label in labels:
        bucket = int.from_bytes(sha256((label.session or label.search).encode()).digest()[:4]) % every
        (test if bucket == 0 else train).append(label)
    return train, test
