"""Semi-supervised fit of an adapter on shopper photos with or without labels.

Unlabeled photos get soft labels from a soft k-means. Its centers are anchored at the pictures of the catalog and at the
labeled photos. Sinkhorn balancing (Cuturi 2013; for few-shot learning PT-MAP, Hu, Gripon, Pateux 2021) makes all
products equally frequent, which takes weight from pictures that are near to everything (hubs). Synthetic photos of the
pictures are the prior. All constants were chosen on photos of `train` (benchmarks/fit_photos.py).
"""

import numpy as np
from numpy.typing import NDArray

from snapfind.encoders.adapter import Adapter
from snapfind.encoders.adapters.closed_form import PhotoStatistics, solve, trusted, weights_of, within
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Vectors

__all__ = ["fit_semi_supervised"]

_SHARPNESS = 25.0  # of the soft labels, per unit of cosine
_ANCHOR = 40.0  # weight of a picture in its center, in photos
_LABEL = 20.0  # weight of a labeled photo in a center, in photos
_LABELED = 4.0  # weight of a labeled photo in the mean of its product
_PRIOR = 3.0  # weight of the synthetic photos of a picture in the mean of its product
_MADE = 300  # photos at which real and synthetic photos have equal weight in the covariance
_ROUNDS, _BALANCES = 8, 3

Shares = NDArray[np.float64]


def fit_semi_supervised(studio: Vectors, made: Vectors, photos: Vectors, labels: Shares) -> dict[str, Vectors]:
    """Fit the weights of an adapter on shopper photos.

    Args:
        studio: Unit features of pictures, shape (n, d).
        made: Unit features of their synthetic photos, shape (n, v, d).
        photos: Unit features of shopper photos, shape (m, d).
        labels: Soft labels of the shopper photos, shape (m, n). Rows sum to 1, or are 0 for an unlabeled photo.

    Returns:
        Weights of an `Adapter`.
    """
    weights = solve(studio, made)
    trust = trusted(len(photos))
    mean = trust * photos.mean(axis=0, dtype=np.float64) + (1 - trust) * weights["query_mean"]
    moved = Adapter("", weights | {"query_mean": mean.astype(np.float32)})
    shares = _shares(moved.project(photos, "query"), moved.project(studio, "document"), labels)
    own = made.mean(axis=1, dtype=np.float64)
    counts = shares * np.where(labels.any(axis=1), _LABELED, 1.0)[:, None]
    centers = _PRIOR * (own - own.mean(axis=0)) + counts.T @ (photos - mean)
    centers /= _PRIOR + counts.sum(axis=0)[:, None]
    both = within(made - own[:, None]), within(photos - mean - shares @ centers)
    part = len(photos) / (len(photos) + _MADE)
    covariance = sum(share * one / max(float(np.trace(one)), 1e-12) for share, one in zip((1 - part, part), both))
    return weights_of(studio, PhotoStatistics(mean, centers, np.asarray(covariance)))


def _shares(photos: Vectors, pictures: Vectors, labels: Shares) -> Shares:
    """Compute soft labels of shape (m, n) for m photos and n pictures. Rows sum to 1."""
    known = labels.any(axis=1, keepdims=True)
    centers = anchors = unit(_ANCHOR * pictures + _LABEL * labels.T.astype(np.float32) @ photos)
    for _ in range(_ROUNDS):
        scores = _SHARPNESS * (photos @ centers.T).astype(np.float64)
        shares = np.where(known, labels, _normalized(np.exp(scores - scores.max(axis=1, keepdims=True))))
        for _ in range(_BALANCES):
            shares = np.where(known, labels, _normalized(shares / (shares.sum(axis=0) + 1e-9)))
        centers = unit(_ANCHOR * anchors + shares.T.astype(np.float32) @ photos)
    return shares


def _normalized(shares: Shares) -> Shares:
    scaled: Shares = shares / shares.sum(axis=1, keepdims=True)
    return scaled
