"""Golden vectors: expected outputs of an encoder for a few synthetic images, checked whenever it is loaded.

The images are computed with integer arithmetic, so they are the same on every machine and need no file.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from snapfind.core.errors import ModelBroken
from snapfind.encoders.base import Vectors

__all__ = ["GOLDEN_TOLERANCE", "ROUNDED_TOLERANCE", "check_golden", "golden_pictures"]

GOLDEN_TOLERANCE = 1e-3  # largest difference of a value: float16 weights stay below, a flipped bit does not
ROUNDED_TOLERANCE = 0.02  # for int8: ties rounded to the other side, layer by layer, add up to .009
_SIZES = ((320, 240), (180, 300), (224, 224), (97, 61))


def golden_pictures(count: int = len(_SIZES)) -> list[Image.Image]:
    """Draw the golden images: discs over colored stripes.

    Args:
        count: Number of images, at most 4.

    Returns:
        RGB images of different sizes.
    """
    return [_draw(width, height, seed) for seed, (width, height) in enumerate(_SIZES[:count])]


def check_golden(vectors: Vectors, golden: Vectors, name: str, tolerance: float = GOLDEN_TOLERANCE) -> None:
    """Compare embeddings with golden vectors.

    Args:
        vectors: Unit rows of shape (k, d).
        golden: Golden rows, of which the first k are compared.
        name: Name of the artifact in the error message.
        tolerance: Largest allowed difference of a value.

    Raises:
        ModelBroken: If the shapes or the values differ.
    """
    expected = golden[: len(vectors)]
    if expected.shape != vectors.shape:
        raise ModelBroken(f"{name}: vectors have shape {vectors.shape}, not {expected.shape}; install it again")
    distance = float(np.abs(vectors - expected).max())
    if not distance <= tolerance:
        raise ModelBroken(
            f"{name}: its vectors differ from the golden vectors by {distance:.2g} (at most {tolerance:g});"
            " weights or preprocessing have changed; install it again"
        )


def _draw(width: int, height: int, seed: int) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    stripes: NDArray[np.int64] = (x * (3 + seed) + y * (5 - seed)) // 4 % 256
    center_x, center_y = width * (2 + seed) // 6, height * 3 // 6
    radius = min(width, height) * 2 // 5
    distance = (x - center_x) ** 2 + (y - center_y) ** 2
    disc = distance < radius**2
    shade = 255 - distance * 160 // radius**2
    colors = ((shade, shade // 2, 20), (30, shade, shade // 3), (shade, 40, shade // 2), (shade, shade, 60))
    channels = [np.where(disc, level, 255 - stripes // (2 + place)) for place, level in enumerate(colors[seed % 4])]
    return Image.fromarray(np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8))
