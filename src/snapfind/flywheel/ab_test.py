"""A/B test of two models: votes of shoppers in an interleaving experiment, and a sign test of the votes.

Each session votes for the model with more clicked hits (Chapelle et al., "Large-scale validation and analysis of
interleaved search evaluation", ACM TOIS 2012). Clicks of one session depend on each other, so a session has one vote.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import comb

from snapfind.catalog.models.trial import InterleavedSearch
from snapfind.events.event import Event

__all__ = ["ExperimentResult", "count_votes", "sign_test"]

_CLICKS = {"click", "cart", "purchase"}


@dataclass(frozen=True, slots=True)
class ExperimentResult:
    """Result of an interleaving experiment.

    Args:
        searches: Number of searches with interleaved results.
        active: Number of sessions that prefer the active model.
        other: Number of sessions that prefer the new model.
        even: Number of sessions with equally many clicks on both.
        active_clicks: Number of clicks on hits of the active model.
        other_clicks: Number of clicks on hits of the new model.
        p: p-value of the sign test, 0..1.
    """

    searches: int
    active: int
    other: int
    even: int
    active_clicks: int
    other_clicks: int
    p: float

    @property
    def preference(self) -> float:
        """Fraction of the decided votes for the new model, 0..1; 0.5 if there are none."""
        decided = self.active + self.other
        return self.other / decided if decided else 0.5


def count_votes(searches: Iterable[InterleavedSearch], events: Iterable[Event]) -> ExperimentResult:
    """Count the votes of an interleaving experiment.

    Args:
        searches: Log of the searches with interleaved results.
        events: Events since the start of the experiment. Several clicks on one product in one search count once.

    Returns:
        Votes per model with the p-value of the sign test.
    """
    by_id = {search.search: search for search in searches}
    clicks = {(event.search, event.product, event.session) for event in events if event.kind in _CLICKS}
    balance: dict[str, int] = {}  # clicks on the new model minus clicks on the active one
    totals = {"a": 0, "b": 0}
    for id, product, session in sorted(clicks):
        search = by_id.get(id)
        if search is not None and product in search.shown:
            team = search.teams[search.shown.index(product)]
            totals[team] += 1
            voter = session or id
            balance[voter] = balance.get(voter, 0) + (1 if team == "b" else -1)
    active, other = (sum(1 for vote in balance.values() if vote * sign > 0) for sign in (-1, 1))
    even = len(balance) - active - other
    return ExperimentResult(len(by_id), active, other, even, totals["a"], totals["b"], sign_test(active, other))


def sign_test(first: int, second: int) -> float:
    """Return the p-value of the two-sided exact binomial test.

    Args:
        first: Votes for one side.
        second: Votes for the other side.

    Returns:
        Probability, 0..1, of a split at least as uneven if both sides are equally good; 1 without votes.
    """
    n, k = first + second, min(first, second)
    return min(1.0, 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n) if n else 1.0
