"""Closed-form weights of an adapter, from features of pictures and of synthetic photos of them.

    query      M            whitening of the variation between photos of one product (within-class covariance
                            normalization, Hatch et al. 2006, with shrinkage)
    catalog  (I + k B) M  moves a studio picture toward its photos: B is the ridge regression from pictures to photos,
                            k balances the two terms

benchmarks/photo_to_studio.py measures it, and the gain of real photos (encoders/adapters/semi_supervised.py).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from snapfind.encoders.base import Vectors

__all__ = ["PhotoStatistics", "solve", "trusted", "weights_of", "within"]

_SHRINKAGE = 3.0  # of the covariance, in its own mean variance; 2 to 5 differ by less than .01
_RIDGE = 0.01  # of the regression, in the mean squared length of its rows
_FEW = 8  # rows that get trust .5: with fewer, means and regression describe the products rather than the role


class PhotoStatistics(NamedTuple):
    """Statistics of photos.

    Attributes:
        mean: Mean of the photos, shape (d,).
        centers: Centers of n products minus the mean, shape (n, d).
        covariance: Covariance of photos around the center of their product, shape (d, d).
    """

    mean: NDArray[np.floating]
    centers: NDArray[np.floating]
    covariance: NDArray[np.floating]


def solve(studio: Vectors, photos: Vectors) -> dict[str, Vectors]:
    """Fit the weights of an adapter.

    Args:
        studio: Unit features of pictures, shape (n, d).
        photos: Unit features of v photos of each, shape (n, v, d).

    Returns:
        Weights of an `Adapter`.
    """
    centers = photos.mean(axis=1, dtype=np.float64)
    mean = trusted(len(studio)) * centers.mean(axis=0)
    return weights_of(studio, PhotoStatistics(mean, centers - mean, within(photos - centers[:, None])))


def weights_of(studio: Vectors, statistics: PhotoStatistics) -> dict[str, Vectors]:
    """Compute the weights of an adapter from statistics of photos.

    Args:
        studio: Unit features of pictures, shape (n, d).
        statistics: Statistics of their photos.

    Returns:
        `{role}_mean` of shape (d,) and `{role}_matrix` of shape (d, d) for both roles.
    """
    n, trust = len(studio), trusted(len(studio))
    mean = trust * studio.mean(axis=0, dtype=np.float64)
    whitening, pictures = _whitening(statistics.covariance), studio - mean
    gram = pictures @ pictures.T
    gram += _RIDGE * np.trace(gram) / n * np.eye(n)
    regression = pictures.T @ np.linalg.solve(gram, statistics.centers)
    balance = np.linalg.norm(pictures @ whitening) / max(float(np.linalg.norm(statistics.centers @ whitening)), 1e-9)
    weights = {
        "query_mean": statistics.mean,
        "document_mean": mean,
        "query_matrix": whitening,
        "document_matrix": whitening + trust * balance * regression @ whitening,
    }
    return {name: np.ascontiguousarray(value, np.float32) for name, value in weights.items()}


def trusted(count: int) -> float:
    """Compute the trust in statistics of few rows.

    Args:
        count: Number of rows.

    Returns:
        count / (count + 8), 0..1.
    """
    return count / (count + _FEW)


def within(differences: NDArray[np.floating]) -> NDArray[np.float64]:
    """Compute the covariance of differences from a center.

    Args:
        differences: Array of shape (..., d).

    Returns:
        Covariance of shape (d, d).
    """
    rows = differences.reshape(-1, differences.shape[-1])
    covariance: NDArray[np.float64] = rows.T.astype(np.float64) @ rows / len(rows)
    return covariance


def _whitening(covariance: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the inverse square root of the covariance with shrinkage, scaled to a mean variance of 1."""
    d = len(covariance)
    variance = max(float(np.trace(covariance)) / d, 1e-12)
    levels, axes = np.linalg.eigh(covariance / variance + _SHRINKAGE * np.eye(d))
    whitening: NDArray[np.float64] = (axes / np.sqrt(levels)) @ axes.T
    return whitening
