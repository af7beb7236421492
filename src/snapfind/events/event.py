"""Event of a shopper: search, impression, click, category change, box change, add to cart, purchase."""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, get_args

from snapfind.core.errors import BadInput
from snapfind.core.types import Box, check_characters

__all__ = ["FIRST", "KINDS", "LAST", "Event", "EventKind"]

EventKind = Literal["search", "impression", "click", "category_switch", "box_change", "cart", "purchase"]
KINDS: tuple[EventKind, ...] = get_args(EventKind)
_TEXTS = ("search", "session", "product", "category", "text", "filter", "space", "version", "arm", "id")
FIRST, LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_PRODUCT = {"impression", "click", "cart", "purchase"}


@dataclass(frozen=True, slots=True)
class Event:
    """An event.

    Args:
        kind: One of `KINDS`.
        search: Id of the search that the event belongs to.
        session: Session of the shopper. Only its keyed hash is stored.
        product: Id of the product.
        position: Position of the product in the answer, from 1.
        propensity: Probability with which the ranker showed the product at this position, above 0 and at most 1.
        score: Score of the product.
        verdict: Verdict of the first hit: match, similar or none.
        category: Chosen category, or the new one of a category change.
        box: Searched box, or the new one of a box change.
        before: Previous category or box.
        text: Query text.
        filter: Filter expression.
        photos: Number of query photos.
        results: Ids of the hits, best first.
        quantity: Quantity of a purchase.
        amount: Amount of a purchase in the currency of the shop.
        space: Id of the space that answered.
        version: Version of snapfind that answered.
        arm: Arm of an experiment.
        id: Idempotency key. Repeated events with one id are stored once.
        at: Time with a time zone.

    Raises:
        BadInput: A value is out of range, or does not fit the kind.
    """

    kind: EventKind
    search: str = ""
    session: str = ""
    product: str = ""
    position: int | None = None
    propensity: float | None = None
    score: float | None = None
    verdict: str = ""
    category: str = ""
    box: Box | None = None
    before: str | Box | None = None
    text: str = ""
    filter: str = ""
    photos: int = 0
    results: tuple[str, ...] = ()
    quantity: float | None = None
    amount: float | None = None
    space: str = ""
    version: str = ""
    arm: str = ""
    id: str = ""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise BadInput(f"unknown event kind {str(self.kind)[:40]!r}; use one of {', '.join(KINDS)}", field="kind")
        if self.kind in _PRODUCT and not self.product:
            raise BadInput(f"an event of kind {self.kind} needs a product", field="product")
        if self.kind == "category_switch" and not self.category:
            raise BadInput("a category_switch needs the new category", field="category")
        if self.kind == "box_change" and self.box is None:
            raise BadInput("a box_change needs the new box", field="box")
        if self.position is not None and self.position < 1:
            raise BadInput(f"position is {self.position}; positions start at 1", field="position")
        if self.propensity is not None and not 0 < self.propensity <= 1:
            raise BadInput(f"propensity is {self.propensity}; give a number above 0 and at most 1", field="propensity")
        for name in ("score", "quantity", "amount"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise BadInput(f"{name} is {value}; give a finite number", field=name)
        self._check_texts()
        if self.at.tzinfo is None:
            raise BadInput("the time of an event needs a time zone, for example 2026-01-31T12:00:00Z", field="at")
        if not FIRST <= self.at <= LAST:
            raise BadInput("the time of an event must be between 1970 and 2200", field="at")

    def _check_texts(self) -> None:
        for name in _TEXTS:
            check_characters(getattr(self, name), name)
        if isinstance(self.before, str):
            check_characters(self.before, "before")
        for product in self.results:
            check_characters(product, "results")
