"""Golden vectors: what an encoder must answer to a few drawn pictures, checked whenever it is loaded.

The pictures come from whole-number arithmetic, so they are the same on every machine and need no file.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from snapfind.core.errors import ModelBroken
from snapfind.encoders.base import Vectors

__all__ = ["GOLDEN_TOLERANCE", "ROUNDED_TOLERANCE", "check_golden", "golden_pictures"]

GOLDEN_TOLERANCE = 1e-3  # largest difference of a number in a unit row: float16 weights stay below, a flipped bit not
ROUNDED_TOLERANCE = 0.02  # of one in whole numbers: halves rounded to the other side, layer by layer, make .009
_SIZES = ((320, 240), (180, 300), (224, 224), (97, 61))


def golden_pictures(count: int = len(_SIZES)) -> list[Image.Image]:
    """Discs over stripes in colours, in four sizes."""
    return [_draw(width, height, seed) for seed, (width, height) in enumerate(_SIZES[:count])]


def check_golden(vectors: Vectors, golden: Vectors, name: str, tolerance: float = GOLDEN_TOLERANCE) -> None:
    """Compares (k, d) unit rows with the first k golden rows. Raises ModelBroken with the distance."""
    expected = golden[: len(vectors)]
    if expected.shape != vectors.shape:
        raise ModelBroken(f"{name}: vectors of shape {vectors.shape}, golden ones of {expected.shape}: install it anew")
    distance = float(np.abs(vectors - expected).max())
    if not distance <= tolerance:
        raise ModelBroken(
            f"{name}: its vectors differ from the golden ones by {distance:.2g} (at most {tolerance:g});"
            " weights or preprocessing have changed, install it anew"
        )


def _draw(width: int, height: int, seed: int) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    stripes: NDArray[np.int64] = (x * (3 + seed) + y * (5 - seed)) // 4 % 256
    centre_x, centre_y = width * (2 + seed) // 6, height * 3 // 6
    radius = min(width, height) * 2 // 5
    distance = (x - centre_x) ** 2 + (y - centre_y) ** 2
    disc = distance < radius**2
    shade = 255 - distance * 160 // radius**2
    colours = ((shade, shade // 2, 20), (30, shade, shade // 3), (shade, 40, shade // 2), (shade, shade, 60))
    channels = [np.where(disc, level, 255 - stripes // (2 + place)) for place, level in enumerate(colours[seed % 4])]
    return Image.fromarray(np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8))
