"""Triplets from clicks: a photo, what it clicked, and what stood above that and was passed over.

After Zhang et al., "Visual Search at Alibaba" (arXiv 2102.04674): clicked is right, shown and not clicked is wrong, and
distances clean both. The rules of cleaning are ours: the paper publishes none.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from snapfind.training.data.click_log import Search

__all__ = ["cleaned", "mined"]

_ACCIDENTS = 0.1  # of the clicks: those farthest from their photo


def mined(searches: Sequence[Search]) -> NDArray[np.int64]:
    """(t, 3) photo, clicked item, item that was shown above the click and passed over."""
    found = [
        (search.photo, item, passed)
        for search in searches
        for item in search.clicked
        for passed in search.shown[: search.shown.index(item)]
        if passed not in search.clicked
    ]
    return np.array(found, np.int64).reshape(-1, 3)


def cleaned(
    triplets: NDArray[np.int64], photos: NDArray[np.float32], items: NDArray[np.float32], own: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Triplets without noise; unit rows of photos and items in, `own` (items,) Virtual IDs or -1.

    A negative of the same Virtual ID is none; a positive farther from its photo than nine in ten clicks is an accident.
    """
    apart = (own[triplets[:, 2]] < 0) | (own[triplets[:, 1]] != own[triplets[:, 2]])
    triplets = triplets[apart]
    near = (photos[triplets[:, 0]] * items[triplets[:, 1]]).sum(axis=1)
    return triplets[near >= np.quantile(near, _ACCIDENTS)] if len(near) else triplets
