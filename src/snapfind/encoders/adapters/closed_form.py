"""The weights of an adapter in closed form, from how the network sees pictures and photographs made of them.

    query      M            whitens what changes between photos of one product (within-class covariance
                            normalisation, Hatch et al. 2006, with shrinkage)
    catalogue  (I + k B) M  moves a studio picture half way to its photos: B is the ridge regression from one to the
                            other, k balances the two

benchmarks/photo_to_studio.py measures it, and what real photos add (encoders/adapters/semi_supervised.py).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from snapfind.encoders.base import Vectors

__all__ = ["Seen", "solve", "trusted", "weights_of", "within"]

_SHRINKAGE = 3.0  # of the covariance, in its own mean variance; 2 to 5 differ by less than .01
_RIDGE = 0.01  # of the regression, in the mean squared length of its rows
_FEW = 8  # so many rows count half: below, means and regression tell more of the products than of the role


class Seen(NamedTuple):
    """Where the photos of each product lie: their `mean` (d,), the `centres` (n, d) of the products, the mean taken
    off, and the `covariance` (d, d) of photos about the centre of their product."""

    mean: NDArray[np.floating]
    centres: NDArray[np.floating]
    covariance: NDArray[np.floating]


def solve(studio: Vectors, photos: Vectors) -> dict[str, Vectors]:
    """Unit features (n, d) of pictures and (n, v, d) of their photos -> the weights of an Adapter."""
    centres = photos.mean(axis=1, dtype=np.float64)
    mean = trusted(len(studio)) * centres.mean(axis=0)
    return weights_of(studio, Seen(mean, centres - mean, within(photos - centres[:, None])))


def weights_of(studio: Vectors, seen: Seen) -> dict[str, Vectors]:
    """Unit features (n, d) of pictures and where their photos lie -> `{role}_mean` (d,), `{role}_matrix` (d, d)."""
    n, trust = len(studio), trusted(len(studio))
    mean = trust * studio.mean(axis=0, dtype=np.float64)
    whitening, pictures = _whitening(seen.covariance), studio - mean
    gram = pictures @ pictures.T
    gram += _RIDGE * np.trace(gram) / n * np.eye(n)
    regression = pictures.T @ np.linalg.solve(gram, seen.centres)
    balance = np.linalg.norm(pictures @ whitening) / max(float(np.linalg.norm(seen.centres @ whitening)), 1e-9)
    weights = {
        "query_mean": seen.mean,
        "catalogue_mean": mean,
        "query_matrix": whitening,
        "catalogue_matrix": whitening + trust * balance * regression @ whitening,
    }
    return {name: np.ascontiguousarray(value, np.float32) for name, value in weights.items()}


def trusted(count: int) -> float:
    """How far so many rows are believed, 0..1."""
    return count / (count + _FEW)


def within(differences: NDArray[np.floating]) -> NDArray[np.float64]:
    """(..., d) differences from a centre -> (d, d), their covariance."""
    rows = differences.reshape(-1, differences.shape[-1])
    covariance: NDArray[np.float64] = rows.T.astype(np.float64) @ rows / len(rows)
    return covariance


def _whitening(covariance: NDArray[np.floating]) -> NDArray[np.float64]:
    """(d, d) -> (d, d), the inverse root of it, shrunk, its mean variance made 1."""
    d = len(covariance)
    variance = max(float(np.trace(covariance)) / d, 1e-12)
    levels, axes = np.linalg.eigh(covariance / variance + _SHRINKAGE * np.eye(d))
    whitening: NDArray[np.float64] = (axes / np.sqrt(levels)) @ axes.T
    return whitening
