"""Simulated shoppers over real photos: logs whose hidden truth is known, to measure learning from clicks.

A shopper sends a photo, reads the list from above with falling patience (position bias after Joachims et al.,
SIGIR 2005), clicks what is the thing itself more often than what is of its kind, and now and then anything at all.
Everything is drawn from a seed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snapfind.learn.clicks import Search

__all__ = ["Habits", "simulate"]


@dataclass(frozen=True, slots=True)
class Habits:
    """Chances: that the item at place p (from 0) is looked at, patience^p; of a click on the same, a kin, another."""

    patience: float = 0.92
    same: float = 0.7
    kin: float = 0.08
    other: float = 0.03
    depth: int = 20
    taste: float = (
        0.3  # deviation of a shopper's leaning to each item, which belongs to the shopper and not to the photo
    )


def simulate(
    scores: NDArray[np.float32],
    photos: NDArray[np.int64],
    items: NDArray[np.int64],
    kinds: NDArray[np.int64],
    searches: int,
    habits: Habits,
    seed: int,
) -> list[Search]:
    """`scores` (photos, items) of the ranker that was in use; hidden classes of photos and of items; kind by class."""
    rng = np.random.default_rng(seed)
    found = []
    for photo in rng.integers(len(photos), size=searches):
        leaning = scores[photo] + habits.taste * 0.05 * rng.standard_normal(len(items))
        shown = np.argsort(-leaning)[: habits.depth]
        same = items[shown] == photos[photo]
        kin = kinds[items[shown]] == kinds[photos[photo]]
        chance = np.where(same, habits.same, np.where(kin, habits.kin, habits.other))
        clicked = rng.random(len(shown)) < chance * habits.patience ** np.arange(len(shown))
        if clicked.any():
            found.append(Search(int(photo), tuple(shown.tolist()), tuple(shown[clicked].tolist())))
    return found
