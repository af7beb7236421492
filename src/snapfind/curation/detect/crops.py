"""Is one picture a cut of another? The cut whose fingerprint is nearest, searched from coarse to fine.

Shrinking a cut to 16 by 16 cells is a product of two small matrices, one for the rows and one for the columns, so that
hundreds of cuts are tried in a millisecond or two: first in gray on a grid, then twice around the best.
"""

import numpy as np
from numpy.typing import NDArray

from snapfind.media.image.fingerprint import Cells, Fingerprint

__all__ = ["nearest_cut"]

_CELLS = 16
_LEVELS = (0.0, 0.07, 0.14, 0.21)  # of a side, cut off at one edge, at first
_STEPS = (0.035, 0.0175)
_MOST = 0.24
_Edges = NDArray[np.float64]  # (k, 2): what is cut off at the beginning and at the end of an axis


def nearest_cut(thumb: NDArray[np.uint8], wanted: Fingerprint) -> Cells:
    """Find the cut of a picture that is nearest to another picture.

    Args:
        thumb: (s, s, 3) uint8, the picture.
        wanted: Fingerprint of the other picture.

    Returns:
        (16, 16, 3) float32 levels of the cut.
    """
    gray, target = thumb.mean(axis=2), _standard(wanted.reshape(1, _CELLS, _CELLS, 3).mean(axis=3))[0]
    down = across = np.array([(a, b) for a in _LEVELS for b in _LEVELS])
    for step in (*_STEPS, None):
        best = _best(gray, target, down, across)
        if step is not None:
            down, across = (_around(edges, step) for edges in best)
    return np.stack([_shrunk(thumb[..., channel], *best)[0, 0] for channel in range(3)], axis=-1).astype(np.float32)


def _best(
    gray: NDArray[np.float64], target: NDArray[np.float64], down: _Edges, across: _Edges
) -> tuple[_Edges, _Edges]:
    """The edges (1, 2) of rows and of columns whose cut is nearest."""
    cuts = _shrunk(gray, down, across)
    apart = np.abs(_standard(cuts.reshape(-1, _CELLS, _CELLS)) - target).mean(axis=(1, 2))
    row, column = divmod(int(apart.argmin()), len(across))
    return down[row : row + 1], across[column : column + 1]


def _shrunk(plane: NDArray[np.generic], down: _Edges, across: _Edges) -> NDArray[np.float64]:
    """(s, s) -> (rows, columns, 16, 16): every cut as cells."""
    rows, columns = _cells(down, plane.shape[0]), _cells(across, plane.shape[1])
    found: NDArray[np.float64] = np.einsum("rix,xc->ric", rows, plane.astype(np.float64))[:, None] @ columns.swapaxes(
        1, 2
    )
    return found


def _cells(edges: _Edges, side: int) -> NDArray[np.float64]:
    """(k, 16, side): how much of each pixel is in each cell."""
    ends = (edges[:, :1] + (1 - edges.sum(axis=1))[:, None] * np.arange(_CELLS + 1) / _CELLS) * side
    first, last = ends[:, :-1, None], ends[:, 1:, None]
    shared = np.clip(np.minimum(last, np.arange(1, side + 1)) - np.maximum(first, np.arange(side)), 0, None)
    return np.asarray(shared / (last - first))


def _around(edges: _Edges, step: float) -> _Edges:
    """Nine edges: each of the two a step less, as it is, a step more."""
    moves = np.array([(a, b) for a in (-step, 0, step) for b in (-step, 0, step)])
    return np.asarray(np.clip(edges + moves, 0, _MOST), np.float64)


def _standard(cuts: NDArray[np.floating]) -> NDArray[np.float64]:
    """Each with mean 0 and deviation 1; plain ones all zeros."""
    axes = tuple(range(1, cuts.ndim))
    centered = cuts - cuts.mean(axis=axes, keepdims=True)
    spread = centered.std(axis=axes, keepdims=True)
    return np.asarray(np.divide(centered, spread, out=np.zeros_like(centered, np.float64), where=spread > 1e-9))
