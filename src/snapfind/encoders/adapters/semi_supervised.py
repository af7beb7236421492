"""What photos of shoppers tell an adapter, labelled or not: where photos lie, how those of one product differ, and
which product each shows, roughly where nobody said.

Photos without a label are shared out among the products by soft k-means whose centres are held near the catalogue's
pictures and the labelled photos, with every product asked about equally often (Sinkhorn's balance, Cuturi 2013; in
few-shot learning: PT-MAP, Hu, Gripon, Pateux 2021). The balance takes from pictures that are near to everything.
Photographs made of the pictures stand by as a prior. All figures were chosen on photos of `train`
(benchmarks/fit_photos.py).
"""

import numpy as np
from numpy.typing import NDArray

from snapfind.encoders.adapter import Adapter
from snapfind.encoders.adapters.closed_form import Seen, solve, trusted, weights_of, within
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Vectors

__all__ = ["settle"]

_SHARPNESS = 25.0  # of the shares, per unit of cosine
_ANCHOR = 40.0  # photos that a picture counts for where centres are found,
_TOLD = 20.0  # and a photo with a label
_LABELLED = 4.0  # photos that one with a label counts for where the photos of its product lie,
_PRIOR = 3.0  # and those made of a picture
_MADE = 300  # photos that count as much as those made of pictures in how photos of one product differ
_ROUNDS, _BALANCES = 8, 3

Shares = NDArray[np.float64]


def settle(studio: Vectors, made: Vectors, photos: Vectors, told: Shares) -> dict[str, Vectors]:
    """Unit features (n, d) of pictures, (n, v, d) of photographs made of them and (m, d) of shoppers' photos -> the
    weights of an Adapter.

    `told` (m, n) shares a photo out among the pictures of its product; the row of a photo without a label is 0.
    """
    weights = solve(studio, made)
    trust = trusted(len(photos))
    mean = trust * photos.mean(axis=0, dtype=np.float64) + (1 - trust) * weights["query_mean"]
    moved = Adapter("", weights | {"query_mean": mean.astype(np.float32)})
    shares = _shares(moved.project(photos, "query"), moved.project(studio, "catalogue"), told)
    own = made.mean(axis=1, dtype=np.float64)
    counts = shares * np.where(told.any(axis=1), _LABELLED, 1.0)[:, None]
    centres = _PRIOR * (own - own.mean(axis=0)) + counts.T @ (photos - mean)
    centres /= _PRIOR + counts.sum(axis=0)[:, None]
    both = within(made - own[:, None]), within(photos - mean - shares @ centres)
    part = len(photos) / (len(photos) + _MADE)
    covariance = sum(share * one / max(float(np.trace(one)), 1e-12) for share, one in zip((1 - part, part), both))
    return weights_of(studio, Seen(mean, centres, np.asarray(covariance)))


def _shares(photos: Vectors, pictures: Vectors, told: Shares) -> Shares:
    """Unit rows (m, e) and (n, e) -> (m, n), how much each photo is of each picture's product; rows sum to 1."""
    known = told.any(axis=1, keepdims=True)
    centres = anchors = unit(_ANCHOR * pictures + _TOLD * told.T.astype(np.float32) @ photos)
    for _ in range(_ROUNDS):
        scores = _SHARPNESS * (photos @ centres.T).astype(np.float64)
        shares = np.where(known, told, _rows(np.exp(scores - scores.max(axis=1, keepdims=True))))
        for _ in range(_BALANCES):
            shares = np.where(known, told, _rows(shares / (shares.sum(axis=0) + 1e-9)))
        centres = unit(_ANCHOR * anchors + shares.T.astype(np.float32) @ photos)
    return shares


def _rows(shares: Shares) -> Shares:
    scaled: Shares = shares / shares.sum(axis=1, keepdims=True)
    return scaled
