"""One thing that a shopper did, as a frozen value: the schema that rankers, fits and reports read."""

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
    """What happened, after which search, to which product at which place.

    `search` is the id of the search that it follows from; `session` is the shopper's, and only its keyed hash is kept.
    `position` counts from 1; `propensity` (0..1] is the probability with which the ranker showed the product there.
    `before` is the category that was switched from or the box that was changed. `space` and `version` say which model
    and which program answered. Times are UTC. Raises BadInput for what does not fit its kind.
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
            raise BadInput(f"event kind {str(self.kind)[:40]!r}: it is one of {', '.join(KINDS)}", field="kind")
        if self.kind in _PRODUCT and not self.product:
            raise BadInput(f"an event of kind {self.kind} needs a product", field="product")
        if self.kind == "category_switch" and not self.category:
            raise BadInput("a switch of category needs the category that was switched to", field="category")
        if self.kind == "box_change" and self.box is None:
            raise BadInput("a change of box needs the new box", field="box")
        if self.position is not None and self.position < 1:
            raise BadInput(f"position {self.position}: it counts from 1", field="position")
        if self.propensity is not None and not 0 < self.propensity <= 1:
            raise BadInput(f"propensity {self.propensity}: a probability above 0, at most 1", field="propensity")
        for name in ("score", "quantity", "amount"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise BadInput(f"{name} {value} is not a number", field=name)
        self._check_texts()
        if self.at.tzinfo is None:
            raise BadInput("the time of an event needs its zone, such as 2026-01-31T12:00:00Z", field="at")
        if not FIRST <= self.at <= LAST:
            raise BadInput("the time of an event lies between 1970 and 2200", field="at")

    def _check_texts(self) -> None:
        for name in _TEXTS:
            check_characters(getattr(self, name), name)
        if isinstance(self.before, str):
            check_characters(self.before, "before")
        for product in self.results:
            check_characters(product, "results")
