"""One affine map for photos and one for catalog pictures, on shared features: the two roles of an encoder.

OCLEAR (arXiv 2305.03972) shares the backbone and gives query and document a transformation each. The form is that of
encoders/adapter.py, which serves them: unit rows, less the mean of the role, times its matrix, unit rows again.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from snapfind.encoders.adapter import Adapter
from snapfind.encoders.base import Role, Vectors

__all__ = ["Heads", "first_matrix"]

_SHRINKAGE = 1.0  # of the covariance within products, in its own mean variance


class Heads(nn.Module):
    """`forward`: (n, width) features and which rows are photos (n,) bool -> (n, dim) unit rows."""

    def __init__(self, matrix: Vectors, query_mean: Vectors, document_mean: Vectors) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.from_numpy(matrix.copy()))
        self.document = nn.Parameter(torch.from_numpy(matrix.copy()))
        self.query_mean = nn.Parameter(torch.from_numpy(query_mean.copy()))
        self.document_mean = nn.Parameter(torch.from_numpy(document_mean.copy()))

    def forward(self, features: Tensor, queries: Tensor) -> Tensor:
        """Rows keep their order."""
        rows = functional.normalize(features.float(), dim=1)
        photos = (rows - self.query_mean) @ self.query
        studio = (rows - self.document_mean) @ self.document
        return functional.normalize(torch.where(queries[:, None], photos, studio), dim=1)

    def adapter(self, encoder: str, told: dict[str, object]) -> Adapter:
        """What the shop floor loads; `encoder` is the id of the raw space of the features."""
        weights: dict[str, Vectors] = {}
        roles: tuple[Role, Role] = ("query", "document")
        for role in roles:
            weights[f"{role}_matrix"] = getattr(self, role).detach().cpu().numpy().astype(np.float32)
            weights[f"{role}_mean"] = getattr(self, f"{role}_mean").detach().cpu().numpy().astype(np.float32)
        return Adapter(encoder, weights, told)


def first_matrix(features: Vectors, products: NDArray[np.int64], dim: int) -> Vectors:
    """(n, width) unit rows and their products (n,) -> (width, dim): where the heads begin.

    Whitens what changes within products and keeps the `dim` directions in which the whitened rows differ most (linear
    discriminant analysis with shrinkage), scaled so that the columns have unit length on average.
    """
    basis = _basis(features, dim)
    rows = features @ basis
    _, places = np.unique(products, return_inverse=True)
    sums = np.zeros((places.max() + 1, rows.shape[1]))
    np.add.at(sums, places, rows)
    within = rows - (sums / np.bincount(places)[:, None])[places]
    covariance = within.T @ within / len(rows)
    variance = max(float(np.trace(covariance)) / features.shape[1], 1e-12)
    levels, axes = np.linalg.eigh(covariance / variance + _SHRINKAGE * np.eye(len(covariance)))
    whitening = (axes / np.sqrt(levels)) @ axes.T
    whitened = (rows - rows.mean(axis=0)) @ whitening
    spread, directions = np.linalg.eigh(whitened.T @ whitened / len(whitened))
    matrix = basis @ whitening @ directions[:, np.argsort(-spread)[:dim]]
    return np.ascontiguousarray(matrix / np.linalg.norm(matrix, axis=0).mean(), np.float32)


def _basis(features: Vectors, dim: int) -> NDArray[np.float64]:
    """(width, k) orthonormal columns that hold all rows, and `dim` more: few pictures need no large matrices."""
    count, width = features.shape
    if count + dim >= width:
        return np.eye(width)
    more = np.random.default_rng(0).standard_normal((width, dim))
    return np.linalg.qr(np.hstack([features.T.astype(np.float64), more]))[0]
