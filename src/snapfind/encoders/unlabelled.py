"""What photos tell an adapter whose products nobody told: where photos lie, how those of one product differ, and
roughly which product each shows.

Each photo is shared out among the products by soft k-means whose centres are held near the catalogue's pictures, with
every product asked about equally often (Sinkhorn's balance, Cuturi 2013; in few-shot learning: PT-MAP, Hu, Gripon,
Pateux 2021). The balance takes from pictures that are near to everything; no photo is ever wholly of one product, and
photographs made of the pictures stand by as a prior. All figures were chosen on photos of `train`
(benchmarks/unlabelled.py).
"""

import numpy as np
from numpy.typing import NDArray

from snapfind.encoders.adapter import Adapter
from snapfind.encoders.closed_form import Seen, solve, trusted, weights_of, within
from snapfind.encoders.port import Vectors
from snapfind.encoders.vectors import unit

__all__ = ["settle"]

_SHARPNESS = 25.0  # of the shares, per unit of cosine
_ANCHOR = 40.0  # photos that a picture counts for where centres are found
_ROUNDS, _BALANCES = 8, 3
_PRIOR = 3.0  # photos that those made of a picture count for where its product's photos lie
_MADE = 300  # photos that count as much as those made of pictures in how photos of one product differ


def settle(studio: Vectors, made: Vectors, photos: Vectors) -> dict[str, Vectors]:
    """Unit features (n, d) of pictures, (n, v, d) of photographs made of them and (m, d) of shoppers' photos of
    any of these products -> the weights of an Adapter."""
    weights = solve(studio, made)
    trust = trusted(len(photos))
    mean = trust * photos.mean(axis=0, dtype=np.float64) + (1 - trust) * weights["query_mean"]
    moved = Adapter("", weights | {"query_mean": mean.astype(np.float32)})
    shares = _shares(moved.project(photos, "query"), moved.project(studio, "catalogue"))
    own = made.mean(axis=1, dtype=np.float64)
    centres = _PRIOR * (own - own.mean(axis=0)) + shares.T @ (photos - mean)
    centres /= _PRIOR + shares.sum(axis=0)[:, None]
    both = within(made - own[:, None]), within(photos - mean - shares @ centres)
    part = len(photos) / (len(photos) + _MADE)
    covariance = sum(share * one / max(float(np.trace(one)), 1e-12) for share, one in zip((1 - part, part), both))
    return weights_of(studio, Seen(mean, centres, np.asarray(covariance)))


def _shares(photos: Vectors, pictures: Vectors) -> NDArray[np.float64]:
    """Unit rows (m, e) and (n, e) -> (m, n), how much each photo is of each product; rows sum to 1."""
    centres = pictures
    for _ in range(_ROUNDS):
        scores = _SHARPNESS * (photos @ centres.T).astype(np.float64)
        shares = _rows(np.exp(scores - scores.max(axis=1, keepdims=True)))
        for _ in range(_BALANCES):
            shares = _rows(shares / (shares.sum(axis=0) + 1e-9))
        centres = unit(_ANCHOR * pictures + shares.T.astype(np.float32) @ photos)
    return shares


def _rows(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    scaled: NDArray[np.float64] = shares / shares.sum(axis=1, keepdims=True)
    return scaled
