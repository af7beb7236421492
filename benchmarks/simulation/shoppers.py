"""Simulated shoppers over real photos: logs whose hidden truth is known, to measure learning from clicks.

A shopper sends a photo, reads the list from above with falling patience (position bias after Joachims et al.,
SIGIR 2005), clicks what is the thing itself more often than what is of its kind, also what is of the kind that he likes
whatever he asked for, and now and then anything at all. The list holds one tab (a group of kinds), the ranker's guess;
who sees that it is the wrong one may change it by hand. Everything is drawn from a seed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snapfind.training.data.click_log import Search

__all__ = ["Habits", "Ranker", "Truth", "simulate"]

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Habits:
    """Chances: that the item at place p (from 0) is looked at, patience^p; of a click on the same, a kin, another;
    `taste` more for an item of the kind that the shopper likes; `switch` that a wrong tab is changed.
    """

    patience: float = 0.92
    same: float = 0.7
    kin: float = 0.08
    other: float = 0.03
    taste: float = 0.1
    switch: float = 0.6
    depth: int = 20
    shoppers: int = 500
    wobble: float = 0.015  # deviation of the ranker's scores from search to search


@dataclass(frozen=True, slots=True)
class Truth:
    """What nobody in the shop knows: the class of each photo and of each item. Kind and tab by class are known."""

    photos: Numbers
    items: Numbers
    kinds: Numbers
    tabs: Numbers | None = None


@dataclass(frozen=True, slots=True)
class Ranker:
    """What was in use: `scores` (photos, items), and the tab (photos,) that it guesses where there are tabs."""

    scores: NDArray[np.float32]
    tabs: Numbers | None = None


def simulate(ranker: Ranker, truth: Truth, searches: int, habits: Habits, seed: int) -> list[Search]:
    """The searches with a click, of `searches` that were made."""
    rng = np.random.default_rng(seed)
    terms = rng.integers(int(truth.kinds.max()) + 1, size=habits.shoppers)
    found = []
    for photo in rng.integers(len(truth.photos), size=searches):
        tab, switched = _tabs(int(photo), ranker, truth, habits, rng)
        scores = ranker.scores[photo] + habits.wobble * rng.standard_normal(len(truth.items))
        if truth.tabs is not None:
            scores[truth.tabs[truth.items] != (tab if switched < 0 else switched)] = -np.inf
        shown = np.argsort(-scores)[: min(habits.depth, int(np.isfinite(scores).sum()))]
        chance = _chances(shown, truth.photos[photo], int(rng.choice(terms)), truth, habits)
        clicked = rng.random(len(shown)) < chance * habits.patience ** np.arange(len(shown))
        if clicked.any():
            found.append(Search(int(photo), tuple(shown.tolist()), tuple(shown[clicked].tolist()), tab, switched))
    return found


def _tabs(photo: int, ranker: Ranker, truth: Truth, habits: Habits, rng: np.random.Generator) -> tuple[int, int]:
    """The tab that is shown at first, and the one that it is changed to or -1."""
    if truth.tabs is None or ranker.tabs is None:
        return -1, -1
    guessed, right = int(ranker.tabs[photo]), int(truth.tabs[truth.photos[photo]])
    return guessed, right if guessed != right and rng.random() < habits.switch else -1


def _chances(shown: Numbers, own: int, liked: int, truth: Truth, habits: Habits) -> NDArray[np.float64]:
    """Of a click on each item shown, if it is looked at."""
    classes = truth.items[shown]
    kinds = truth.kinds[classes]
    chance = np.where(classes == own, habits.same, np.where(kinds == truth.kinds[own], habits.kin, habits.other))
    return np.minimum(1.0, chance + habits.taste * (kinds == liked))
