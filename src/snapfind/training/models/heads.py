"""Heads of an encoder: one affine map for photos and one for catalog images, on shared features.

OCLEAR (arXiv 2305.03972) shares the backbone and has one transformation each for query and document. The form is that
of encoders/adapter.py, which serves the heads: unit rows, minus the mean of the role, times its matrix, unit rows
again.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from snapfind.encoders.adapter import Adapter
from snapfind.encoders.base import Role, Vectors

__all__ = ["Heads", "discriminant_matrix"]

_SHRINKAGE = 1.0  # of the covariance within products, in its own mean variance


class Heads(nn.Module):
    """Two trainable affine maps.

    Args:
        matrix: (width, dim) initial matrix of both roles.
        query_mean: (width,) initial mean of photos.
        document_mean: (width,) initial mean of catalog images.
    """

    def __init__(self, matrix: Vectors, query_mean: Vectors, document_mean: Vectors) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.from_numpy(matrix.copy()))
        self.document = nn.Parameter(torch.from_numpy(matrix.copy()))
        self.query_mean = nn.Parameter(torch.from_numpy(query_mean.copy()))
        self.document_mean = nn.Parameter(torch.from_numpy(document_mean.copy()))

    def forward(self, features: Tensor, queries: Tensor) -> Tensor:
        """Map features to vectors.

        Args:
            features: (n, width) features.
            queries: (n,) bool, True for photos.

        Returns:
            (n, dim) unit rows in the same order.
        """
        rows = functional.normalize(features.float(), dim=1)
        photos = (rows - self.query_mean) @ self.query
        studio = (rows - self.document_mean) @ self.document
        return functional.normalize(torch.where(queries[:, None], photos, studio), dim=1)

    def adapter(self, encoder: str, metadata: dict[str, object]) -> Adapter:
        """Return the heads as the adapter that serving loads.

        Args:
            encoder: Id of the raw space of the features.
            metadata: Further entries of the manifest.

        Returns:
            The adapter.
        """
        weights: dict[str, Vectors] = {}
        roles: tuple[Role, Role] = ("query", "document")
        for role in roles:
            weights[f"{role}_matrix"] = getattr(self, role).detach().cpu().numpy().astype(np.float32)
            weights[f"{role}_mean"] = getattr(self, f"{role}_mean").detach().cpu().numpy().astype(np.float32)
        return Adapter(encoder, weights, metadata)


def discriminant_matrix(features: Vectors, products: NDArray[np.int64], dim: int) -> Vectors:
    """Compute the initial matrix of the heads: linear discriminant analysis with shrinkage.

    The variation within products is whitened. The `dim` directions in which whitened rows vary most are kept and scaled
    so that the columns have unit length on average.

    Args:
        features: (n, width) float32 unit rows.
        products: (n,) int64 products.
        dim: Number of directions.

    Returns:
        (width, dim) float32 matrix.
    """
    basis = _basis(features, dim)
    rows = features @ basis
    _, inverse = np.unique(products, return_inverse=True)
    sums = np.zeros((inverse.max() + 1, rows.shape[1]))
    np.add.at(sums, inverse, rows)
    within = rows - (sums / np.bincount(inverse)[:, None])[inverse]
    covariance = within.T @ within / len(rows)
    variance = max(float(np.trace(covariance)) / features.shape[1], 1e-12)
    eigenvalues, eigenvectors = np.linalg.eigh(covariance / variance + _SHRINKAGE * np.eye(len(covariance)))
    whitening = (eigenvectors / np.sqrt(eigenvalues)) @ eigenvectors.T
    whitened = (rows - rows.mean(axis=0)) @ whitening
    variances, directions = np.linalg.eigh(whitened.T @ whitened / len(whitened))
    matrix = basis @ whitening @ directions[:, np.argsort(-variances)[:dim]]
    return np.ascontiguousarray(matrix / np.linalg.norm(matrix, axis=0).mean(), np.float32)


def _basis(features: Vectors, dim: int) -> NDArray[np.float64]:
    """Return (width, k) orthonormal columns that span all rows and `dim` more: few images need no large matrices."""
    count, width = features.shape
    if count + dim >= width:
        return np.eye(width)
    more = np.random.default_rng(0).standard_normal((width, dim))
    return np.linalg.qr(np.hstack([features.T.astype(np.float64), more]))[0]
