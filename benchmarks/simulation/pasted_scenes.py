"""Pasted scenes: several products on one background, with the box of each, to measure the finding of objects.

Seeded: the same generator state gives the same scene. Products stand apart as far as they can, are scaled, turned and
shaded as in `media/image/camera_noise.py`, and cast a soft shadow; boxes are those of what can be seen of them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from snapfind.core.types import Box
from snapfind.media.image.camera_noise import snap

__all__ = ["pasted"]

_SIZES = (0.22, 0.5)  # of the longer side of a product, in shorter sides of the scene
_TRIES = 60
_OVERLAP = 0.05  # of the smaller of two products, at most


def pasted(
    products: Sequence[Image.Image], background: Image.Image, rng: Generator
) -> tuple[Image.Image, list[Box | None]]:
    """RGBA cut-outs and an RGB background -> the photo, as large as the background, and the box of each product.

    A product for which no free place is found is left out: its box is None.
    """
    scene, taken = background.convert("RGB").copy(), [(0, 0, 0, 0)][:0]
    boxes: list[Box | None] = []
    for product in products:
        copy = _turned(product, min(scene.size), rng)
        place = _free(copy, scene.size, taken, rng)
        if place is None:
            boxes.append(None)
            continue
        left, top = place
        shadow = copy.getchannel("A").filter(ImageFilter.GaussianBlur(4)).point(lambda level: level // 2)
        scene.paste((0, 0, 0), (left + 3, top + 5), shadow)
        scene.paste(copy, place, copy)
        seen = _seen(np.asarray(copy.getchannel("A")) > 127)
        taken.append((left + seen[0], top + seen[1], left + seen[2], top + seen[3]))
        boxes.append(_fractions(taken[-1], scene.size))
    return snap(scene, rng), boxes


def _turned(product: Image.Image, side: int, rng: Generator) -> Image.Image:
    scale = rng.uniform(*_SIZES) * side / max(product.size)
    size = (max(8, round(product.width * scale)), max(8, round(product.height * scale)))
    copy = product.resize(size, Image.Resampling.LANCZOS)
    return copy.rotate(float(rng.normal(0, 12)), Image.Resampling.BICUBIC, expand=True)


def _free(
    copy: Image.Image, size: tuple[int, int], taken: Sequence[tuple[int, int, int, int]], rng: Generator
) -> tuple[int, int] | None:
    """A corner where the copy lies inside the scene and on hardly anything else."""
    if copy.width >= size[0] or copy.height >= size[1]:
        return None
    for _ in range(_TRIES):
        left, top = int(rng.integers(size[0] - copy.width)), int(rng.integers(size[1] - copy.height))
        own = (left, top, left + copy.width, top + copy.height)
        if all(_shared(own, other) <= _OVERLAP for other in taken):
            return left, top
    return None


def _shared(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    """Common area as a part of the smaller."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))
    return max(width, 0) * max(height, 0) / smaller


def _seen(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is set."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _fractions(sides: tuple[int, int, int, int], size: tuple[int, int]) -> Box:
    return Box(sides[0] / size[0], sides[1] / size[1], sides[2] / size[0], sides[3] / size[1])
