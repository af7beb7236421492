"""Triplets from clicks: a photo, the item that was clicked, and an item above it that was skipped.

After Zhang et al., "Visual Search at Alibaba" (arXiv 2102.04674): a clicked item is a positive, a skipped item a
negative, and distances remove noise from both. The rules for removing noise are ours because the paper publishes none.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from snapfind.training.data.click_log import Search

__all__ = ["clean_triplets", "mine_triplets"]

_ACCIDENTS = 0.1  # of the clicks: those farthest from their photo


def mine_triplets(searches: Sequence[Search]) -> NDArray[np.int64]:
    """Find the triplets of some searches.

    Args:
        searches: Searches with clicks.

    Returns:
        (t, 3) int64 rows of photo, clicked item, and an item above it that was not clicked.
    """
    rows = [
        (search.photo, item, passed)
        for search in searches
        for item in search.clicked
        for passed in search.results[: search.results.index(item)]
        if passed not in search.clicked
    ]
    return np.array(rows, np.int64).reshape(-1, 3)


def clean_triplets(
    triplets: NDArray[np.int64], photos: NDArray[np.float32], items: NDArray[np.float32], item_ids: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Remove noisy triplets.

    A negative with the same Virtual ID as the positive is no negative. A positive that is farther from its photo than
    nine in ten clicks is an accidental click.

    Args:
        triplets: (t, 3) int64 rows of photo, positive and negative.
        photos: (p, d) float32 unit rows of the photos.
        items: (i, d) float32 unit rows of the items.
        item_ids: (i,) int64 Virtual IDs, -1 for none.

    Returns:
        The remaining triplets.
    """
    differs = (item_ids[triplets[:, 2]] < 0) | (item_ids[triplets[:, 1]] != item_ids[triplets[:, 2]])
    triplets = triplets[differs]
    cosines = (photos[triplets[:, 0]] * items[triplets[:, 1]]).sum(axis=1)
    return triplets[cosines >= np.quantile(cosines, _ACCIDENTS)] if len(cosines) else triplets
