"""Region proposals: find the objects of a photo without box labels and without a second network.

Class-agnostic activation of the feature map (Wei et al., "Selective Convolutional Descriptor Aggregation", arXiv
1604.04994) separates objects from the background. Connected cells are a proposal. media/image/segment_color.py fits its
box by color. benchmarks/regions.py compares it with spectral cuts, clustering and other layers.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from snapfind.core.types import Box, Region
from snapfind.encoders.base import Vectors
from snapfind.media.image.segment_color import Mask, Palette, bounds, flood_fill, segment_object

__all__ = ["energy", "fills", "find"]

_SIDE = 42  # cells of the padded square after resizing
_ABOVE = 1.35  # threshold of a proposal, as a factor of Otsu's threshold
_LEAST = 0.006  # area of the image; smaller boxes are noise
_MOST = 6  # proposals
_OVER = 0.4  # fraction of the border
# Least peak activation of a box, by the number of image sides that it touches. Floors and walls touch a side and are
# weak. Chosen on the queries of benchmarks/shops.py --part chosen.
_PEAKS = (0.0, 0.6, 0.8)
_EDGE = 0.02  # distance to a side of the image that counts as touching it
_SAME = 0.6  # intersection over union of boxes of the same object


def energy(cells: Vectors, size: tuple[int, int]) -> NDArray[np.float32]:
    """Compute the activation of an image.

    Args:
        cells: Feature map over the padded square, shape (c, h, w).
        size: Width and height of the image.

    Returns:
        Summed activation over the image without padding, 0..1, shape (rows, columns).
    """
    total = Image.fromarray(cells.sum(axis=0, dtype=np.float32)).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    across, down = (max(2, round(_SIDE * side / max(size))) for side in size)
    left, top = (_SIDE - across) // 2, (_SIDE - down) // 2
    over: NDArray[np.float32] = np.asarray(total)[top : top + down, left : left + across]
    spread_ = float(np.ptp(over))
    return (over - over.min()) / np.float32(spread_) if spread_ > 1e-6 else np.zeros_like(over)


def fills(level: NDArray[np.float32]) -> bool:
    """Tell whether the foreground runs over the border of the photo, as in a heap, a shelf or a close-up.

    This holds for .95 of shopper photos of groceries and .01 of composed scenes (benchmarks/regions.py).

    Args:
        level: Activation of `energy`.

    Returns:
        Whether more than .4 of the border is foreground.
    """
    foreground = level > _otsu_threshold(level)
    return (
        float(np.concatenate([foreground[0], foreground[-1], foreground[1:-1, 0], foreground[1:-1, -1]]).mean()) > _OVER
    )


def find(image: Image.Image, cells: Vectors) -> tuple[Region, ...]:
    """Propose regions of an image.

    The boxes are fitted by color, except if the foreground fills the frame: parts of a heap have no clear outline.

    Args:
        image: Upright image.
        cells: Its feature map, shape (c, h, w). May be empty.

    Returns:
        At most 6 regions, best first. Empty if nothing stands out.
    """
    if not cells.size:
        return ()
    level, palette = energy(cells, image.size), Palette(image)
    if not level.any() or palette.plain:
        return ()
    middle = _ABOVE * _otsu_threshold(level)
    parts = sorted(_parts(level > middle), key=lambda part: -float(level[part].sum()))[:_MOST]
    if fills(level):
        return _filtered([(Box(*bounds(part)), part) for part in parts], level)
    fine = palette.fit(level)
    masks = [palette.fit(part) > 0.5 for part in parts]
    taken = np.zeros(fine.shape, bool) | np.any(masks, axis=0)
    boxes = []
    for part, mask in zip(parts, masks):
        sides = segment_object(palette, (fine - np.float32(middle)) * 2, mask, taken & ~mask)
        if sides is not None:
            boxes.append((Box(*sides), part))
    return _filtered(boxes, level)


def _filtered(boxes: Sequence[tuple[Box, Mask]], level: NDArray[np.float32]) -> tuple[Region, ...]:
    """Drop boxes that are too small, nearly equal to a better one, or background. The first box is no background."""
    selected: list[Region] = []
    for box, part in boxes:
        if box.area < _LEAST or (selected and _is_background(box, level)):
            continue
        if all(box.iou(other.box) < _SAME for other in selected):
            selected.append(Region(box, min(1.0, float(level[part].mean()))))
    return tuple(selected)


def _is_background(box: Box, level: NDArray[np.float32]) -> bool:
    """Tell whether a box runs out of the image and is weak, as floors and walls are."""
    sides = sum(distance < _EDGE for distance in (box.x0, box.y0, 1 - box.x1, 1 - box.y1))
    rows, columns = level.shape
    left, top = int(box.x0 * columns), int(box.y0 * rows)
    right, bottom = max(left + 1, round(box.x1 * columns)), max(top + 1, round(box.y1 * rows))
    peak = float(level[top:bottom, left:right].max(initial=0.0))
    return sides > 0 and peak <= _PEAKS[min(sides, len(_PEAKS) - 1)]


def _otsu_threshold(level: NDArray[np.float32]) -> float:
    """Return the threshold with the largest variance between the two groups (Otsu 1979)."""
    values = np.sort(level.ravel()).astype(np.float64)
    sums, below = np.cumsum(values), np.arange(1, len(values))
    above = len(values) - below
    gaps = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
    return float(values[int((below * above * gaps**2).argmax())])


def _parts(mask: Mask) -> list[Mask]:
    """Return the 4-connected components of a mask."""
    left, parts = mask.copy(), []
    while left.any():
        seed = np.zeros_like(mask)
        seed[np.unravel_index(int(left.argmax()), left.shape)] = True
        part = flood_fill(seed, mask)
        left &= ~part
        parts.append(part)
    return parts
