"""A picture's fingerprint that survives another file format, another size and a little light: 16 by 16 colors.

A hash of 64 bits (brighter or darker than the neighbor) tells cartons of one brand that differ in their print for
the same; standardized colors do not (benchmarks/duplicates.py).
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = [
    "Cells",
    "Fingerprint",
    "cells_of",
    "color_difference",
    "difference",
    "fingerprint",
    "is_blank",
    "largest_difference",
    "palette_difference",
    "standardize",
]

Fingerprint = NDArray[np.float32]  # (768,), mean 0, deviation 1
Cells = NDArray[np.float32]  # (16, 16, 3) levels 0..255
_CELLS = 16
_BLANK_CELLS, _BLANK_LEVELS = 32, 6


def fingerprint(image: Image.Image) -> Fingerprint:
    """Of any picture; of a plain one all zeros."""
    return standardize(cells_of(image))


def cells_of(image: Image.Image) -> Cells:
    """Mean colors of 16 by 16 cells.

    Returns:
        (16, 16, 3) float32 levels, 0..255.
    """
    return np.asarray(image.convert("RGB").resize((_CELLS, _CELLS), Image.Resampling.BOX), np.float32)


def standardize(cells: Cells) -> Fingerprint:
    """The fingerprint of cells: mean 0 and deviation 1, so that light does not matter; zeros for one color only."""
    flat = cells.ravel().astype(np.float32)
    spread = float(flat.std())
    result: Fingerprint = (flat - flat.mean()) / np.float32(spread) if spread > 0 else np.zeros_like(flat)
    return result


def difference(one: Fingerprint, other: Fingerprint) -> float:
    """Mean distance of the colors, in deviations: 0 for the same picture, about 1 for unrelated ones."""
    return float(np.abs(one - other).mean())


def largest_difference(one: Fingerprint, other: Fingerprint) -> float:
    """The largest difference of one cell, in deviations. A print on a shirt moves few cells, but those by far.

    Of 720 copies of photos (benchmarks/curate_data.py) it is at most .42 after encoding again, .56 after resizing, and
    .88 after the best cut; of 80 pairs of red shirts with different white prints it is .85 or more.
    """
    return float(np.abs(one - other).max())


def color_difference(one: Cells, other: Cells) -> float:
    """How far the colors of two pictures lie apart, cell by cell, without regard to a few cells at edges.

    Fingerprints are standardized, so that trousers in black and in gray have the same one. Of copies (encoded again,
    in another size, 8 % brighter) this is at most 24 levels; of exact recolorings of garments it is 29 or more in
    three of four, and below that mostly where the colored part is small.

    Args:
        one: (16, 16, 3) levels.
        other: The same of the other picture, aligned with it.

    Returns:
        The difference in levels that a twentieth of the cells exceeds, of each cell's channel that differs most.
    """
    apart = np.abs(one - other).max(axis=2).ravel()
    return float(np.sort(apart)[-len(apart) // 20])


def palette_difference(one: Cells, other: Cells) -> float:
    """How far the colors of two pictures lie apart as a whole, wherever they lie in the picture.

    The Wasserstein distance of the distributions of brightness and of two chroma channels, the largest of the three.
    Pictures cut by up to 2 % on each side have up to 7 levels, three of four exact recolorings of garments 14 and more.

    Args:
        one: (16, 16, 3) levels.
        other: The same of the other picture.

    Returns:
        The distance in levels.
    """
    pairs = zip(_channels(one), _channels(other))
    return max(float(np.abs(np.sort(a) - np.sort(b)).mean()) for a, b in pairs)


def _channels(cells: Cells) -> NDArray[np.float32]:
    """(3, 256): brightness, red against green, and yellow against blue of each cell."""
    red, green, blue = np.moveaxis(cells, 2, 0).reshape(3, -1)
    return np.stack([(red + green + blue) / 3, red - green, (red + green) / 2 - blue])


def is_blank(image: Image.Image) -> bool:
    """Whether a picture shows one color only, but for noise: a blank page, or what a failed export wrote.

    A line one pixel wide in a picture of 384 pixels is no noise: it moves a cell of 12 by 12 pixels by up to 20 levels.
    """
    cell = max(1, image.width // _BLANK_CELLS), max(1, image.height // _BLANK_CELLS)
    levels = np.asarray((image if image.mode == "RGB" else image.convert("RGB")).reduce(cell)).reshape(-1, 3)
    return int((levels.max(axis=0) - levels.min(axis=0)).max()) <= _BLANK_LEVELS
