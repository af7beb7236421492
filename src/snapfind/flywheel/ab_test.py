"""Which of two models shoppers prefer: whose picks were clicked in the interleaved lists of a trial.

A session with more clicks on one team than on the other is one vote (Chapelle et al., ACM TOIS 2012): clicks of one
person hang together. An exact binomial test asks whether votes split evenly.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import comb

from snapfind.catalog.models.trial import InterleavedSearch
from snapfind.events.event import Event

__all__ = ["Verdict", "judge", "sign_test"]

_ACTS = {"click", "cart", "purchase"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Votes for the active model, for the other, and even ones; clicks of each; the chance of such a split by luck."""

    searches: int
    active: int
    other: int
    even: int
    active_clicks: int
    other_clicks: int
    p: float

    @property
    def preference(self) -> float:
        """Part of the decided votes that the other model got, 0..1; 0.5 without any."""
        decided = self.active + self.other
        return self.other / decided if decided else 0.5


def judge(tried: Iterable[InterleavedSearch], events: Iterable[Event]) -> Verdict:
    """Counts votes; several clicks on one product in one search are one."""
    known = {one.search: one for one in tried}
    clicks = {(event.search, event.product, event.session) for event in events if event.kind in _ACTS}
    balance: dict[str, int] = {}
    totals = {"a": 0, "b": 0}
    for search, product, session in sorted(clicks):
        one = known.get(search)
        if one is not None and product in one.shown:
            team = one.teams[one.shown.index(product)]
            totals[team] += 1
            voter = session or search
            balance[voter] = balance.get(voter, 0) + (1 if team == "b" else -1)
    active, other = (sum(1 for vote in balance.values() if vote * sign > 0) for sign in (-1, 1))
    even = len(balance) - active - other
    return Verdict(len(known), active, other, even, totals["a"], totals["b"], sign_test(active, other))


def sign_test(first: int, second: int) -> float:
    """Two-sided exact binomial test of an even split: the chance of one at least as uneven."""
    n, k = first + second, min(first, second)
    return min(1.0, 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n) if n else 1.0
