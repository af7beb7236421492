"""Heads for shops without photos: the closed form of `snapfind model fit` on the trained features.

Heads trained on synthetic photos overfit to how these are made. A whitening and a regression with few degrees of
freedom transfer better to real photos (benchmarks/results/learn.md).
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from snapfind.encoders.adapters.closed_form import solve
from snapfind.training.data.feature_cache import FeatureCache, LiveViews
from snapfind.training.models.heads import Heads
from snapfind.training.validation import encode_view

__all__ = ["fit_closed_form_heads"]

_IMAGES, _VIEWS = 512, 32  # limits, with one image per product: the closed form needs no more


def fit_closed_form_heads(body: nn.Module, source: FeatureCache | LiveViews, synthetic: NDArray[np.bool_]) -> Heads:
    """Fit heads to synthetic photos and the studio images of the same products.

    View 0 of synthetic photos is reserved for validation and not used.

    Args:
        body: Maps views to (n, width) features.
        source: Views of all samples.
        synthetic: (n,) bool, samples used as synthetic photos.

    Returns:
        Heads with output dimension `width`.
    """
    photos, studio = np.flatnonzero(synthetic), np.flatnonzero(~source.queries)
    _, photo_index, studio_index = np.intersect1d(source.products[photos], source.products[studio], return_indices=True)
    chosen = np.unique(np.linspace(0, len(studio_index) - 1, min(len(studio_index), _IMAGES)).astype(np.int64))
    photos, studio = photos[photo_index[chosen]], studio[studio_index[chosen]]
    with torch.no_grad():
        views = [encode_view(body, source, photos, view) for view in range(1, min(source.views, _VIEWS))]
        weights = solve(encode_view(body, source, studio, 0), np.stack(views, axis=1))
    heads = Heads(weights["query_matrix"], weights["query_mean"], weights["document_mean"])
    heads.document.data.copy_(heads.document.new_tensor(weights["document_matrix"]))
    return heads
