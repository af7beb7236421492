"""Two rankings in one list, so that what shoppers click says which ranker is better.

Team draft (Radlinski, Kurup & Joachims, CIKM 2008): in each round a coin says which ranking picks first, each picks its
best product that is not in the list yet. A click counts for the ranking whose pick it is. Shoppers see one list of the
usual quality, and ten to a hundred times fewer clicks are needed than where each ranker has shoppers of its own
(Chapelle et al., ACM TOIS 2012).
"""

import random
from collections.abc import Sequence

__all__ = ["team_draft"]


def team_draft(first: Sequence[str], second: Sequence[str], seed: str, most: int) -> list[tuple[str, str]]:
    """At most `most` pairs of an id and its team, "a" for `first`, "b" for `second`; the same for the same seed.

    Each ranking holds an id once. Every id of either is in the list, if `most` allows.
    """
    rng = random.Random(seed)  # noqa: S311 (a fair coin, no secret)
    waiting = {"a": iter(first), "b": iter(second)}
    taken: dict[str, str] = {}
    while len(taken) < most:
        before = len(taken)
        for team in rng.sample("ab", 2):
            pick = next((one for one in waiting[team] if one not in taken), None)
            if pick is not None and len(taken) < most:
                taken[pick] = team
        if len(taken) == before:
            break
    return list(taken.items())
