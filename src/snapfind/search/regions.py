"""Where the objects of a photo are, without a box label and without a second network.

The encoder's last feature map says how strongly each cell answers; connected cells above the middle between the
quietest and the loudest are candidates, and each is cut to a box.
"""

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from snapfind.encoders.port import Vectors
from snapfind.types import Box, Region

__all__ = ["find"]

_LEAST = 0.02  # part of the picture; smaller boxes are noise


def find(image: Image, features: Vectors) -> tuple[Region, ...]:
    """A picture and its (d, h, w) feature map -> candidate objects, best first; empty where nothing stands out."""
    energy = np.linalg.norm(features, axis=0)
    spread = float(np.ptp(energy))
    if spread < 1e-6:
        return ()
    level = (energy - energy.min()) / spread
    found = []
    for cells in _components(level > 0.5):
        box = _box(cells, image.size)
        if box is not None and box.area >= _LEAST:
            found.append(Region(box, float(level[cells].mean())))
    return tuple(sorted(found, key=lambda region: -region.score * region.box.area))


def _components(mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The parts of a small mask that hang together by their sides."""
    left, parts = mask.copy(), []
    while left.any():
        part = np.zeros_like(mask)
        part[np.unravel_index(int(left.argmax()), left.shape)] = True
        before = 0
        while before != (before := int(part.sum())):
            part[1:] |= part[:-1] & mask[1:]
            part[:-1] |= part[1:] & mask[:-1]
            part[:, 1:] |= part[:, :-1] & mask[:, 1:]
            part[:, :-1] |= part[:, 1:] & mask[:, :-1]
        left &= ~part
        parts.append(part)
    return parts


def _box(cells: NDArray[np.bool_], size: tuple[int, int]) -> Box | None:
    """The rectangle around cells of the padded square, in fractions of the picture; None outside of it."""
    rows, columns = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    height, width = cells.shape
    sides = (columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height)
    across, down = size[0] / max(size), size[1] / max(size)
    x0, x1 = (min(max((side - (1 - across) / 2) / across, 0.0), 1.0) for side in (sides[0], sides[2]))
    y0, y1 = (min(max((side - (1 - down) / 2) / down, 0.0), 1.0) for side in (sides[1], sides[3]))
    return Box(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
