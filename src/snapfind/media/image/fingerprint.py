"""Fingerprint of an image for duplicate detection: its standardized colors in 16 by 16 cells.

It is robust to another file format, another size and a different exposure. A difference hash of 64 bits takes cartons
of one brand with different prints for the same. The fingerprint does not (benchmarks/duplicates.py).
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
    """Compute the fingerprint of an image.

    Args:
        image: Image of any mode.

    Returns:
        (768,) float32 with mean 0 and deviation 1, or zeros for an image of one color.
    """
    return standardize(cells_of(image))


def cells_of(image: Image.Image) -> Cells:
    """Compute the mean colors of 16 by 16 cells.

    Args:
        image: Image of any mode.

    Returns:
        (16, 16, 3) float32 levels, 0..255.
    """
    return np.asarray(image.convert("RGB").resize((_CELLS, _CELLS), Image.Resampling.BOX), np.float32)


def standardize(cells: Cells) -> Fingerprint:
    """Convert cells to a fingerprint.

    Args:
        cells: (16, 16, 3) levels.

    Returns:
        (768,) float32 with mean 0 and deviation 1, or zeros for one color.
    """
    flat = cells.ravel().astype(np.float32)
    spread = float(flat.std())
    result: Fingerprint = (flat - flat.mean()) / np.float32(spread) if spread > 0 else np.zeros_like(flat)
    return result


def difference(one: Fingerprint, other: Fingerprint) -> float:
    """Compute the mean absolute difference of two fingerprints.

    Args:
        one: (768,) fingerprint.
        other: Fingerprint of the other image.

    Returns:
        Difference in deviations: 0 for the same image, about 1 for unrelated ones.
    """
    return float(np.abs(one - other).mean())


def largest_difference(one: Fingerprint, other: Fingerprint) -> float:
    """Compute the largest difference of a cell, which is large for two shirts that differ in their print only.

    Of 720 copies of photos (benchmarks/curate_data.py) it is at most .42 after re-encoding, .56 after resizing, and .88
    after the best crop. Of 80 pairs of red shirts with different white prints it is .85 or more.

    Args:
        one: (768,) fingerprint.
        other: Fingerprint of the other image.

    Returns:
        Difference in deviations.
    """
    return float(np.abs(one - other).max())


def color_difference(one: Cells, other: Cells) -> float:
    """Compute the difference of the colors of two images, cell by cell, except for a few cells at edges.

    Black and gray trousers have the same fingerprint, because it is standardized. Of copies (re-encoded, resized, 8 %
    brighter) this difference is at most 24 levels. Of recolored garments it is 29 or more in three of four, and less
    mostly if the colored part is small.

    Args:
        one: (16, 16, 3) levels.
        other: Levels of the other image, aligned with it.

    Returns:
        The 95th percentile over the cells of the largest difference of a channel, in levels.
    """
    differences = np.abs(one - other).max(axis=2).ravel()
    return float(np.sort(differences)[-len(differences) // 20])


def palette_difference(one: Cells, other: Cells) -> float:
    """Compute the difference of the color distributions of two images, wherever the colors are.

    It is the largest Wasserstein distance of the distributions of brightness and of two chroma channels. Of images
    cropped by up to 2 % on each side it is up to 7 levels, of three in four recolored garments 14 or more.

    Args:
        one: (16, 16, 3) levels.
        other: Levels of the other image.

    Returns:
        The distance in levels.
    """
    pairs = zip(_channels(one), _channels(other))
    return max(float(np.abs(np.sort(a) - np.sort(b)).mean()) for a, b in pairs)


def _channels(cells: Cells) -> NDArray[np.float32]:
    """Return brightness, red minus green, and yellow minus blue of each cell, shape (3, 256)."""
    red, green, blue = np.moveaxis(cells, 2, 0).reshape(3, -1)
    return np.stack([(red + green + blue) / 3, red - green, (red + green) / 2 - blue])


def is_blank(image: Image.Image) -> bool:
    """Tell whether an image has one color only, apart from noise.

    A line one pixel wide in an image of 384 pixels is not noise. It changes a cell of 12 by 12 pixels by up to 20
    levels.

    Args:
        image: Image of any mode.

    Returns:
        True if the image is blank.
    """
    cell = max(1, image.width // _BLANK_CELLS), max(1, image.height // _BLANK_CELLS)
    levels = np.asarray((image if image.mode == "RGB" else image.convert("RGB")).reduce(cell)).reshape(-1, 3)
    return int((levels.max(axis=0) - levels.min(axis=0)).max()) <= _BLANK_LEVELS
