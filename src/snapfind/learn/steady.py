"""Learnt heads beside a discriminant analysis of the same features, so that products never seen stay findable.

A softmax over the shop's products uses up the directions that tell these apart; what is new lies in the others and is
drawn to the known. The closed form (`first_matrix`) keeps whatever differs between things and not within one. The two
stand side by side in one affine map, weighted by their mean length: a photo of nothing known is short in the learnt
half, so that there the other half decides. `SHARE` was chosen inside grocery's `train` (benchmarks/learn_unseen.py).
"""

import numpy as np
from numpy.typing import NDArray

from snapfind.learn.begin import Seen
from snapfind.learn.heads import Heads, first_matrix

__all__ = ["SHARE", "steadied"]

SHARE = 0.7  # of the closed form in a cosine


def steadied(heads: Heads, seen: Seen, share: float = SHARE) -> Heads:
    """Heads of up to twice the width. `seen` holds what they learnt from, features as their body makes them now.

    `share` 0..1 of the closed form; with 0 products rank as by `heads` alone.
    """
    learnt = heads.adapter("", {}).weights
    dim = learnt["query_matrix"].shape[1]
    closed = first_matrix(seen.features, seen.products, min(dim, seen.features.shape[1]))
    sides = {}
    for role, rows in (("query", seen.features[seen.queries]), ("catalogue", seen.features[~seen.queries])):
        centred = rows - learnt[f"{role}_mean"]
        halves = ((1 - share, learnt[f"{role}_matrix"]), (share, closed))
        sides[role] = np.hstack([part**0.5 / _length(centred @ matrix) * matrix for part, matrix in halves])
    joined = Heads(sides["query"], learnt["query_mean"], learnt["catalogue_mean"])
    joined.catalogue.data.copy_(joined.catalogue.new_tensor(sides["catalogue"]))
    return joined


def _length(rows: NDArray[np.floating]) -> float:
    """Root mean square over the rows."""
    return max(float(np.sqrt((rows**2).sum(axis=1).mean())), 1e-9)
