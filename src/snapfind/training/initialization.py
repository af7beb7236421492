"""Where learning begins: features of the pictures themselves, labels that can be believed, heads, prototypes."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Vectors
from snapfind.training.data.feature_cache import Live, Maps
from snapfind.training.data.label_filter import pure
from snapfind.training.losses.margin import Prototypes
from snapfind.training.models.heads import Heads, first_matrix
from snapfind.training.validation import features_of

__all__ = ["Seen", "begin", "believed", "see"]

_FEW = 5  # photos: a product with fewer has no neighbours that could speak for or against a label


@dataclass(frozen=True)
class Seen:
    """`rows` (n,) places in the source, their `features` (n, width) unit rows, `products`, and which are photos."""

    rows: NDArray[np.int64]
    features: Vectors
    products: NDArray[np.int64]
    queries: NDArray[np.bool_]

    def only(self, kept: NDArray[np.bool_]) -> "Seen":
        """Those rows."""
        return Seen(self.rows[kept], self.features[kept], self.products[kept], self.queries[kept])


def see(body: nn.Module, source: Maps | Live, again: NDArray[np.bool_], photos: NDArray[np.int64]) -> Seen:
    """Photos and all studio pictures. View 0 of what was photographed again (`again`) is for judging: view 1 here."""
    parts = ((photos[~again[photos]], 0), (photos[again[photos]], 1), (np.flatnonzero(~source.queries), 0))
    features = [features_of(body, source, rows, view) for rows, view in parts if len(rows)]
    rows = np.concatenate([rows for rows, _ in parts])
    return Seen(rows, np.concatenate(features), source.products[rows], source.queries[rows])


def believed(seen: Seen) -> Seen:
    """Without the photos whose label no neighbour shares (training/data/label_filter.py), in whitened features."""
    photos, counts = (
        seen.only(seen.queries),
        np.bincount(seen.products[seen.queries], minlength=seen.products.max() + 1),
    )
    matrix = first_matrix(photos.features, photos.products, min(256, photos.features.shape[1]))
    vectors = unit((photos.features - photos.features.mean(axis=0)) @ matrix)
    kept = np.ones(len(seen.rows), bool)
    kept[seen.queries] = pure(vectors, photos.products) | (counts[photos.products] < _FEW)
    return seen.only(kept)


def begin(seen: Seen, products: int, dim: int, seed: int) -> tuple[Heads, Prototypes]:
    """Heads begin as a discriminant analysis of the features, prototypes as the means of their products."""
    dim = min(dim, seen.features.shape[1])
    matrix = first_matrix(seen.features, seen.products, dim)
    heads = Heads(matrix, seen.features[seen.queries].mean(0), seen.features[~seen.queries].mean(0))
    first = 1e-6 * torch.randn(products, dim, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        vectors = heads(torch.from_numpy(seen.features), torch.from_numpy(seen.queries))
    first.index_add_(0, torch.from_numpy(seen.products), vectors)
    return heads, Prototypes(first)
