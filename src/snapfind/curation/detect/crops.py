"""Crop search: the crop of a picture whose fingerprint is nearest to another picture, from coarse to fine.

Downscaling a crop to 16 by 16 cells is a product with two small matrices, one for rows and one for columns. Hundreds of
crops take about two milliseconds: first in gray on a grid, then twice around the best crop.
"""

import numpy as np
from numpy.typing import NDArray

from snapfind.media.image.fingerprint import Cells, Fingerprint

__all__ = ["nearest_crop"]

_CELLS = 16
_LEVELS = (0.0, 0.07, 0.14, 0.21)  # first grid: fraction of a side that is removed at one edge
_STEPS = (0.035, 0.0175)
_MAX_MARGIN = 0.24
_Edges = NDArray[np.float64]  # (k, 2): fraction removed at the beginning and at the end of an axis


def nearest_crop(thumb: NDArray[np.uint8], target: Fingerprint) -> Cells:
    """Find the crop of a picture that is nearest to another picture.

    Args:
        thumb: The picture, uint8 of shape (s, s, 3).
        target: Fingerprint of the other picture.

    Returns:
        Levels of the crop, float32 of shape (16, 16, 3).
    """
    gray, goal = thumb.mean(axis=2), _standardize(target.reshape(1, _CELLS, _CELLS, 3).mean(axis=3))[0]
    down = across = np.array([(a, b) for a in _LEVELS for b in _LEVELS])
    for step in (*_STEPS, None):
        best = _best(gray, goal, down, across)
        if step is not None:
            down, across = (_around(edges, step) for edges in best)
    return np.stack([_downscale(thumb[..., channel], *best)[0, 0] for channel in range(3)], axis=-1).astype(np.float32)


def _best(gray: NDArray[np.float64], goal: NDArray[np.float64], down: _Edges, across: _Edges) -> tuple[_Edges, _Edges]:
    """Return the edges (1, 2) of rows and of columns of the nearest crop."""
    crops = _downscale(gray, down, across)
    distances = np.abs(_standardize(crops.reshape(-1, _CELLS, _CELLS)) - goal).mean(axis=(1, 2))
    row, column = divmod(int(distances.argmin()), len(across))
    return down[row : row + 1], across[column : column + 1]


def _downscale(plane: NDArray[np.generic], down: _Edges, across: _Edges) -> NDArray[np.float64]:
    """Return the cells of every crop of a plane (s, s), shape (rows, columns, 16, 16)."""
    rows, columns = _cells(down, plane.shape[0]), _cells(across, plane.shape[1])
    reduced = np.einsum("rix,xc->ric", rows, plane.astype(np.float64))[:, None]
    return np.asarray(reduced @ columns.swapaxes(1, 2), np.float64)


def _cells(edges: _Edges, side: int) -> NDArray[np.float64]:
    """Return the fraction of each pixel in each cell, shape (k, 16, side)."""
    ends = (edges[:, :1] + (1 - edges.sum(axis=1))[:, None] * np.arange(_CELLS + 1) / _CELLS) * side
    first, last = ends[:, :-1, None], ends[:, 1:, None]
    shared = np.clip(np.minimum(last, np.arange(1, side + 1)) - np.maximum(first, np.arange(side)), 0, None)
    return np.asarray(shared / (last - first))


def _around(edges: _Edges, step: float) -> _Edges:
    """Return nine edges: each side a step less, unchanged, and a step more."""
    moves = np.array([(a, b) for a in (-step, 0, step) for b in (-step, 0, step)])
    return np.asarray(np.clip(edges + moves, 0, _MAX_MARGIN), np.float64)


def _standardize(crops: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scale each crop to mean 0 and deviation 1. Plain ones become zeros."""
    axes = tuple(range(1, crops.ndim))
    centered = crops - crops.mean(axis=axes, keepdims=True)
    spread = centered.std(axis=axes, keepdims=True)
    return np.asarray(np.divide(centered, spread, out=np.zeros_like(centered, np.float64), where=spread > 1e-9))
