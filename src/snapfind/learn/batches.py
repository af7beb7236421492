"""Batches of photos and studio pictures; which, and in which view, follows from seed, epoch and number alone."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from snapfind.learn.maps import Live, Maps

__all__ = ["batches"]

_STUDIO = 8  # a batch holds one studio picture for so many photos


def batches(
    source: Maps | Live, again: NDArray[np.bool_], photos: NDArray[np.int64], *, size: int, seed: int
) -> tuple[Callable[[int, int], tuple[Tensor, Tensor, Tensor]], int]:
    """Each photo once an epoch, in one of its views; studio pictures drawn at random beside them."""
    studio = np.flatnonzero(~source.queries)

    def batch(epoch: int, number: int) -> tuple[Tensor, Tensor, Tensor]:
        order = np.random.default_rng([seed, epoch]).permutation(photos)[number * size : (number + 1) * size]
        rng = np.random.default_rng([seed, epoch, number])
        rows = np.concatenate([order, rng.choice(studio, max(1, len(order) // _STUDIO))])
        views = rng.integers(again[rows].astype(np.int64), source.views)
        labels, queries = source.products[rows], source.queries[rows]
        return source.batch(rows, views), torch.from_numpy(queries), torch.from_numpy(labels)

    return batch, -(-len(photos) // size)
