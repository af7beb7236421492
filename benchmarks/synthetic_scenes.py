"""Synthetic scenes: several products on one background with their boxes, to measure object detection.

Products are scaled, rotated, placed apart from each other, and cast a soft shadow. Light, blur and noise are those of
`media/image/camera_noise.py`. The same state of the generator gives the same scene.
"""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from snapfind.core.types import Box
from snapfind.media.image.camera_noise import add_camera_effects

__all__ = ["compose_scene"]

_SIZES = (0.22, 0.5)  # of the longer side of a product, in shorter sides of the scene
_TRIES = 60
_OVERLAP = 0.05  # of the smaller of two products, at most


def compose_scene(
    products: Sequence[Image.Image], background: Image.Image, rng: Generator
) -> tuple[Image.Image, list[Box | None]]:
    """Paste products on a background.

    Args:
        products: RGBA cut-outs.
        background: RGB image.
        rng: Random generator.

    Returns:
        RGB photo of the size of the background, and the box of each product. It is None for a product for which there
        is no free place.
    """
    scene, occupied = background.convert("RGB").copy(), [(0, 0, 0, 0)][:0]
    boxes: list[Box | None] = []
    for product in products:
        copy = _vary(product, min(scene.size), rng)
        place = _find_place(copy, scene.size, occupied, rng)
        if place is None:
            boxes.append(None)
            continue
        left, top = place
        shadow = copy.getchannel("A").filter(ImageFilter.GaussianBlur(4)).point(lambda level: level // 2)
        scene.paste((0, 0, 0), (left + 3, top + 5), shadow)
        scene.paste(copy, place, copy)
        bounds = _bounds(np.asarray(copy.getchannel("A")) > 127)
        occupied.append((left + bounds[0], top + bounds[1], left + bounds[2], top + bounds[3]))
        boxes.append(_fractions(occupied[-1], scene.size))
    return add_camera_effects(scene, rng), boxes


def _vary(product: Image.Image, side: int, rng: Generator) -> Image.Image:
    scale = rng.uniform(*_SIZES) * side / max(product.size)
    size = (max(8, round(product.width * scale)), max(8, round(product.height * scale)))
    copy = product.resize(size, Image.Resampling.LANCZOS)
    return copy.rotate(float(rng.normal(0, 12)), Image.Resampling.BICUBIC, expand=True)


def _find_place(
    copy: Image.Image, size: tuple[int, int], occupied: Sequence[tuple[int, int, int, int]], rng: Generator
) -> tuple[int, int] | None:
    """Return a corner where the copy is inside the scene and overlaps hardly anything, or None."""
    if copy.width >= size[0] or copy.height >= size[1]:
        return None
    for _ in range(_TRIES):
        left, top = int(rng.integers(size[0] - copy.width)), int(rng.integers(size[1] - copy.height))
        own = (left, top, left + copy.width, top + copy.height)
        if all(_overlap(own, other) <= _OVERLAP for other in occupied):
            return left, top
    return None


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    """Return the common area as a share of the smaller one."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))
    return max(width, 0) * max(height, 0) / smaller


def _bounds(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of the pixels that are set."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _fractions(sides: tuple[int, int, int, int], size: tuple[int, int]) -> Box:
    return Box(sides[0] / size[0], sides[1] / size[1], sides[2] / size[0], sides[3] / size[1])
