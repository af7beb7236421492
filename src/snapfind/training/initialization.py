"""Initialization: features of the samples, removal of suspect labels, initial heads and prototypes."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Vectors
from snapfind.training.data.feature_cache import FeatureCache, LiveViews
from snapfind.training.data.label_filter import agrees_with_neighbors
from snapfind.training.losses.margin import Prototypes
from snapfind.training.models.heads import Heads, discriminant_matrix
from snapfind.training.validation import encode_view

__all__ = ["EncodedSamples", "drop_suspect_labels", "encode_samples", "initialize_heads"]

_FEW = 5  # photos per product: with fewer, the neighbors say nothing about a label


@dataclass(frozen=True)
class EncodedSamples:
    """Features and labels of n samples.

    Attributes:
        rows: (n,) int64 indices in the source.
        features: (n, width) float32 unit rows.
        products: (n,) int64 labels.
        queries: (n,) bool, True for photos.
    """

    rows: NDArray[np.int64]
    features: Vectors
    products: NDArray[np.int64]
    queries: NDArray[np.bool_]

    def select(self, mask: NDArray[np.bool_]) -> "EncodedSamples":
        """Return the samples where the (n,) bool `mask` is True."""
        return EncodedSamples(self.rows[mask], self.features[mask], self.products[mask], self.queries[mask])


def encode_samples(
    body: nn.Module, source: FeatureCache | LiveViews, synthetic: NDArray[np.bool_], photos: NDArray[np.int64]
) -> EncodedSamples:
    """Encode photos and all studio images with `body`.

    View 1 is used for synthetic photos, because their view 0 is reserved for validation.

    Args:
        body: Maps views to (n, width) features.
        source: Views of all samples.
        synthetic: (n,) bool, samples used as synthetic photos.
        photos: Indices of the photos to encode.

    Returns:
        The photos, followed by the studio images.
    """
    parts = ((photos[~synthetic[photos]], 0), (photos[synthetic[photos]], 1), (np.flatnonzero(~source.queries), 0))
    features = [encode_view(body, source, rows, view) for rows, view in parts if len(rows)]
    rows = np.concatenate([rows for rows, _ in parts])
    return EncodedSamples(rows, np.concatenate(features), source.products[rows], source.queries[rows])


def drop_suspect_labels(samples: EncodedSamples) -> EncodedSamples:
    """Drop photos whose label too few neighbors share, in whitened features (training/data/label_filter.py).

    Photos of products with fewer than five photos are never dropped.
    """
    photos = samples.select(samples.queries)
    counts = np.bincount(photos.products, minlength=samples.products.max() + 1)
    matrix = discriminant_matrix(photos.features, photos.products, min(256, photos.features.shape[1]))
    vectors = unit((photos.features - photos.features.mean(axis=0)) @ matrix)
    mask = np.ones(len(samples.rows), bool)
    mask[samples.queries] = agrees_with_neighbors(vectors, photos.products) | (counts[photos.products] < _FEW)
    return samples.select(mask)


def initialize_heads(samples: EncodedSamples, products: int, dim: int, seed: int) -> tuple[Heads, Prototypes]:
    """Initialize heads by discriminant analysis and prototypes as the mean vectors of the products.

    Args:
        samples: Features and labels.
        products: Number of products.
        dim: Dimension of the vectors, at most the width of the features.
        seed: Random seed.

    Returns:
        The heads and (products, dim) prototypes.
    """
    dim = min(dim, samples.features.shape[1])
    matrix = discriminant_matrix(samples.features, samples.products, dim)
    heads = Heads(matrix, samples.features[samples.queries].mean(0), samples.features[~samples.queries].mean(0))
    first = 1e-6 * torch.randn(products, dim, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        vectors = heads(torch.from_numpy(samples.features), torch.from_numpy(samples.queries))
    first.index_add_(0, torch.from_numpy(samples.products), vectors)
    return heads, Prototypes(first)
