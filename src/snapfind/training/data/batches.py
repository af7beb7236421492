"""Batches of photos and studio pictures; which, and in which view, follows from seed, epoch and number alone."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from snapfind.training.data.feature_cache import Live, Maps

__all__ = ["batches", "drawn"]

_STUDIO = 8  # a batch holds one studio picture for so many photos
Places = tuple[NDArray[np.int64], NDArray[np.int64]]


def drawn(
    source: Maps | Live, again: NDArray[np.bool_], photos: NDArray[np.int64], *, size: int, seed: int
) -> tuple[Callable[[int, int], Places], int]:
    """Rows (b,) and views (b,) of batch `number` of an epoch, and how many batches an epoch has.

    Each photo comes once an epoch; studio pictures are drawn at random beside them.
    """
    studio = np.flatnonzero(~source.queries)

    def places(epoch: int, number: int) -> Places:
        order = np.random.default_rng([seed, epoch]).permutation(photos)[number * size : (number + 1) * size]
        rng = np.random.default_rng([seed, epoch, number])
        rows = np.concatenate([order, rng.choice(studio, max(1, len(order) // _STUDIO))])
        return rows, rng.integers(again[rows].astype(np.int64), source.views)

    return places, -(-len(photos) // size)


def batches(
    source: Maps | Live, again: NDArray[np.bool_], photos: NDArray[np.int64], *, size: int, seed: int
) -> tuple[Callable[[int, int], tuple[Tensor, Tensor, Tensor]], int]:
    """What was `drawn` as tensors: views, which of them are photos (b,) bool, products (b,) int64."""
    places, steps = drawn(source, again, photos, size=size, seed=seed)

    def batch(epoch: int, number: int) -> tuple[Tensor, Tensor, Tensor]:
        rows, views = places(epoch, number)
        labels, queries = source.products[rows], source.queries[rows]
        return source.batch(rows, views), torch.from_numpy(queries), torch.from_numpy(labels)

    return batch, steps
