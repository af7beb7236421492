"""Heads of a shop that has no photo of its products: the closed form of `snapfind model fit` on the learnt features.

Heads that learn from photographs made of studio pictures learn how these were made; a whitening and a regression with
few degrees of freedom carry over to real photos better (benchmarks/results/learn.md).
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from snapfind.encoders.adapters.closed_form import solve
from snapfind.training.data.feature_cache import Live, Maps
from snapfind.training.models.heads import Heads
from snapfind.training.validation import features_of

__all__ = ["refitted"]

_PICTURES, _VIEWS = 512, 32  # at most, one picture a product: the closed form needs no more


def refitted(body: nn.Module, source: Maps | Live, again: NDArray[np.bool_]) -> Heads:
    """Heads from pictures (`again`) that are photographed again, and the studio pictures of the same products.

    `body` makes features (n, width) of what `source` gives; the heads keep that width. View 0 is for judging.
    """
    photos, studio = np.flatnonzero(again), np.flatnonzero(~source.queries)
    _, first, own = np.intersect1d(source.products[photos], source.products[studio], return_indices=True)
    chosen = np.unique(np.linspace(0, len(own) - 1, min(len(own), _PICTURES)).astype(np.int64))
    photos, studio = photos[first[chosen]], studio[own[chosen]]
    with torch.no_grad():
        seen = [features_of(body, source, photos, view) for view in range(1, min(source.views, _VIEWS))]
        weights = solve(features_of(body, source, studio, 0), np.stack(seen, axis=1))
    heads = Heads(weights["query_matrix"], weights["query_mean"], weights["catalogue_mean"])
    heads.catalogue.data.copy_(heads.catalogue.new_tensor(weights["catalogue_matrix"]))
    return heads
