"""Batches of photos and studio images. Samples and views depend only on the seed, the epoch and the batch number."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from snapfind.training.data.feature_cache import FeatureCache, LiveViews

__all__ = ["make_batches", "make_index_batches"]

_STUDIO = 8  # photos per studio image in a batch
Indices = tuple[NDArray[np.int64], NDArray[np.int64]]


def make_index_batches(
    source: FeatureCache | LiveViews, synthetic: NDArray[np.bool_], photos: NDArray[np.int64], *, size: int, seed: int
) -> tuple[Callable[[int, int], Indices], int]:
    """Make a function that draws the samples and views of a batch.

    Each photo is drawn once per epoch. Studio images are drawn at random in addition.

    Args:
        source: Views of all samples.
        synthetic: (n,) bool, samples used as synthetic photos. Their view 0 is reserved for validation.
        photos: Indices of the photos.
        size: Photos per batch.
        seed: Random seed.

    Returns:
        A function (epoch, batch number) -> (rows (b,), views (b,)), and the number of batches per epoch.
    """
    studio = np.flatnonzero(~source.queries)

    def draw(epoch: int, number: int) -> Indices:
        order = np.random.default_rng([seed, epoch]).permutation(photos)[number * size : (number + 1) * size]
        rng = np.random.default_rng([seed, epoch, number])
        rows = np.concatenate([order, rng.choice(studio, max(1, len(order) // _STUDIO))])
        return rows, rng.integers(synthetic[rows].astype(np.int64), source.views)

    return draw, -(-len(photos) // size)


def make_batches(
    source: FeatureCache | LiveViews, synthetic: NDArray[np.bool_], photos: NDArray[np.int64], *, size: int, seed: int
) -> tuple[Callable[[int, int], tuple[Tensor, Tensor, Tensor]], int]:
    """Make a function that returns a batch as tensors. The arguments are those of `make_index_batches`.

    Returns:
        A function (epoch, batch number) -> (views, (b,) bool True for photos, (b,) int64 products), and the number of
        batches per epoch.
    """
    draw, steps = make_index_batches(source, synthetic, photos, size=size, seed=seed)

    def batch(epoch: int, number: int) -> tuple[Tensor, Tensor, Tensor]:
        rows, views = draw(epoch, number)
        labels, queries = source.products[rows], source.queries[rows]
        return source.batch(rows, views), torch.from_numpy(queries), torch.from_numpy(labels)

    return batch, steps
