"""Segmentation by color, which refines a rough mask of an object to a tight box.

It is a simplified GrabCut (Rother, Kolmogorov, Blake 2004). Color histograms inside and around the mask, with the mask
as prior, classify each pixel near it. Pixels that are connected to the mask are the object.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["Mask", "Palette", "bounds", "flood_fill", "segment_object"]

_SIDE = 112  # pixels of the longer side
_LEVELS = 6  # per channel
_AROUND = 0.6  # margin around the mask, as a share of its sides
_PRIOR = 2.5  # maximum weight of the mask against the colors, in nats

Mask = NDArray[np.bool_]
Sides = tuple[float, float, float, float]


class Palette:
    """A downscaled image with quantized colors.

    Args:
        image: Image of any mode.
    """

    def __init__(self, image: Image.Image) -> None:
        scale = _SIDE / max(image.size)
        size = (max(8, round(image.width * scale)), max(8, round(image.height * scale)))
        small = image.resize(size, Image.Resampling.BOX, reducing_gap=1.0)
        levels = np.asarray(small.convert("RGB"), np.int32) * _LEVELS // 256
        self.size = size
        self.colors = (levels[..., 0] * _LEVELS + levels[..., 1]) * _LEVELS + levels[..., 2]

    @property
    def plain(self) -> bool:
        """Whether the image has one color only."""
        return bool((self.colors == self.colors.flat[0]).all())

    def fit(self, field: NDArray[np.floating] | Mask) -> NDArray[np.float32]:
        """Resize a map over the image to the size of the palette.

        Args:
            field: Map of shape (h, w).

        Returns:
            float32 map of the size of the palette.
        """
        return np.asarray(Image.fromarray(field.astype(np.float32)).resize(self.size, Image.Resampling.BILINEAR))


def segment_object(palette: Palette, prior: NDArray[np.float32], mask: Mask, others: Mask) -> Sides | None:
    """Find the tight box of an object.

    Args:
        palette: The image.
        prior: Map of the size of the palette, about -1..1, above 0 where an object is likely.
        mask: Rough mask of the object, of the same size.
        others: Mask of other objects.

    Returns:
        Left, top, right, bottom in 0..1, or None if the object has no pixel.
    """
    if not mask.any():
        return None
    rows, columns = _with_margin(mask)
    colors, inside, other = palette.colors[rows, columns], mask[rows, columns], others[rows, columns]
    belief = _PRIOR * np.clip(prior[rows, columns], -1, 1)
    chosen = inside
    for _ in range(2):
        odds = _smooth(_odds(colors, chosen, ~chosen & ~other) + belief)
        grown = (odds > 0) & ~other
        if not (grown & inside).any():
            break
        chosen = grown
    chosen = flood_fill(chosen & inside, chosen)
    whole = np.zeros_like(mask)
    whole[rows, columns] = chosen
    return bounds(whole)


def bounds(mask: Mask) -> Sides:
    """Return the box of a mask.

    Args:
        mask: Mask of shape (h, w) with at least one pixel.

    Returns:
        Left, top, right, bottom in 0..1.
    """
    down, across = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    return int(across[0]) / width, int(down[0]) / height, (int(across[-1]) + 1) / width, (int(down[-1]) + 1) / height


def flood_fill(seed: Mask, open_: Mask) -> Mask:
    """Flood-fill a mask.

    Args:
        seed: Mask to start from, within `open_`.
        open_: Mask of the cells that may be filled.

    Returns:
        Mask of the open cells that are 4-connected to the seed.
    """
    reached, before = seed.copy(), -1
    while before != (before := int(np.count_nonzero(reached))):  # each round sweeps along whole rows and columns
        for turned in (lambda field: field, lambda field: field[:, ::-1], np.transpose, lambda field: field.T[:, ::-1]):
            filled, free = turned(reached), turned(open_)
            filled |= _sweep(filled, free)
    return reached


def _sweep(filled: Mask, free: Mask) -> Mask:
    """Fill each row from left to right, up to the next cell that is not open."""
    places = np.arange(1, filled.shape[1] + 1, dtype=np.int16)
    last_filled = np.maximum.accumulate(places * filled, axis=1)
    last_closed = np.maximum.accumulate(places * ~free, axis=1)
    return free & (last_filled > last_closed)


def _with_margin(mask: Mask) -> tuple[slice, slice]:
    """Return the rows and columns of a mask with a margin."""
    slices = []
    for axis, size in ((1, mask.shape[0]), (0, mask.shape[1])):
        places = np.flatnonzero(mask.any(axis=axis))
        first, last = int(places[0]), int(places[-1]) + 1
        more = int((last - first) * _AROUND) + 3
        slices.append(slice(max(0, first - more), min(size, last + more)))
    return slices[0], slices[1]


def _odds(colors: NDArray[np.int32], inside: Mask, outside: Mask) -> NDArray[np.float64]:
    """Return the log odds of each pixel by its color."""
    kinds = _LEVELS**3
    counts = [np.bincount(colors[part], minlength=kinds) + 0.5 for part in (inside, outside)]
    shares = [np.log(count / (count.sum() - 0.45 * kinds)) for count in counts]
    odds: NDArray[np.float64] = (shares[0] - shares[1])[colors]
    return odds


def _smooth(field: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each pixel and its eight neighbors."""
    padded = np.pad(field, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    mean: NDArray[np.float64] = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9
    return mean
