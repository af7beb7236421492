"""A heat map laid over a picture: what does not count fades to gray, what counts keeps its color under orange."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["overlay"]

_INK = np.array([255, 140, 0], np.float32)


def overlay(image: Image.Image, heat: NDArray[np.floating]) -> Image.Image:
    """An RGB picture and a map (h, w) 0..1 over it, of any size -> the picture with the map, RGB."""
    levels = Image.fromarray(np.asarray(heat, np.float32)).resize(image.size, Image.Resampling.BICUBIC)
    weight = np.clip(np.asarray(levels, np.float32), 0, 1)[..., None]
    color = np.asarray(image.convert("RGB"), np.float32)
    gray = color.mean(axis=2, keepdims=True) * 0.6 + 80
    shown = gray * (1 - weight) + (0.6 * color + 0.4 * _INK) * weight
    return Image.fromarray(shown.clip(0, 255).astype(np.uint8))
