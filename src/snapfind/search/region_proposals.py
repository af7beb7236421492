"""Where the objects of a photo are, without a box label and without a second network.

The strength of the network's answer in each cell (class-agnostic activation, as Wei et al., "Selective Convolutional
Descriptor Aggregation", arXiv 1604.04994, take it) parts objects from what lies behind; cells that hang together are a
candidate, whose box media/image/segment_color.py draws tight by colour. benchmarks/regions.py measures it against
spectral cuts, clustering and other layers.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from snapfind.core.types import Box, Region
from snapfind.encoders.base import Vectors
from snapfind.media.image.segment_color import Mask, Palette, bounds, spread, tighten

__all__ = ["energy", "fills", "find"]

_SIDE = 42  # cells of the padded square that energy is drawn on
_ABOVE = 1.35  # how far above the level that parts the two best a candidate stands
_LEAST = 0.006  # part of the picture; smaller ones are noise
_MOST = 6  # candidates
_OVER = 0.4  # part of the border
_SAME = 0.6  # boxes that share so much are one object


def energy(cells: Vectors, size: tuple[int, int]) -> NDArray[np.float32]:
    """(c, h, w) cells over a padded square -> (rows, columns) 0..1 over the picture of that width and height."""
    total = Image.fromarray(cells.sum(axis=0, dtype=np.float32)).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    across, down = (max(2, round(_SIDE * side / max(size))) for side in size)
    left, top = (_SIDE - across) // 2, (_SIDE - down) // 2
    over: NDArray[np.float32] = np.asarray(total)[top : top + down, left : left + across]
    spread_ = float(np.ptp(over))
    return (over - over.min()) / np.float32(spread_) if spread_ > 1e-6 else np.zeros_like(over)


def fills(level: NDArray[np.float32]) -> bool:
    """Whether what stands out runs over the border of the photo: a heap, a shelf, a product seen from near.

    On shoppers' photos of groceries .95 do, of pasted scenes .01 (benchmarks/regions.py).
    """
    lit = level > _parting(level)
    return float(np.concatenate([lit[0], lit[-1], lit[1:-1, 0], lit[1:-1, -1]]).mean()) > _OVER


def find(image: Image.Image, cells: Vectors) -> tuple[Region, ...]:
    """A picture and its (c, h, w) cells -> candidate objects, best first; empty where nothing stands out, or no cells.

    Where they fill the frame, boxes are left as rough as the cells: parts of a heap have no outline to be found.
    """
    if not cells.size:
        return ()
    level, palette = energy(cells, image.size), Palette(image)
    if not level.any() or palette.plain:
        return ()
    middle = _ABOVE * _parting(level)
    parts = sorted(_parts(level > middle), key=lambda part: -float(level[part].sum()))[:_MOST]
    if fills(level):
        return _kept([(Box(*bounds(part)), part) for part in parts], level)
    fine = palette.fit(level)
    masks = [palette.fit(part) > 0.5 for part in parts]
    taken = np.zeros(fine.shape, bool) | np.any(masks, axis=0)
    found = []
    for part, mask in zip(parts, masks):
        sides = tighten(palette, (fine - np.float32(middle)) * 2, mask, taken & ~mask)
        if sides is not None:
            found.append((Box(*sides), part))
    return _kept(found, level)


def _kept(found: Sequence[tuple[Box, Mask]], level: NDArray[np.float32]) -> tuple[Region, ...]:
    """Those boxes that are large enough and not nearly another one's."""
    kept: list[Region] = []
    for box, part in found:
        if box.area >= _LEAST and all(box.iou(other.box) < _SAME for other in kept):
            kept.append(Region(box, min(1.0, float(level[part].mean()))))
    return tuple(kept)


def _parting(level: NDArray[np.float32]) -> float:
    """The level that parts the values into two groups as unlike as can be (Otsu 1979)."""
    values = np.sort(level.ravel()).astype(np.float64)
    sums, below = np.cumsum(values), np.arange(1, len(values))
    above = len(values) - below
    gaps = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
    return float(values[int((below * above * gaps**2).argmax())])


def _parts(mask: Mask) -> list[Mask]:
    """The parts of a mask that hang together by their sides."""
    left, parts = mask.copy(), []
    while left.any():
        seed = np.zeros_like(mask)
        seed[np.unravel_index(int(left.argmax()), left.shape)] = True
        part = spread(seed, mask)
        left &= ~part
        parts.append(part)
    return parts
