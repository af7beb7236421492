"""Overlay of a heat map on a picture: irrelevant parts fade to gray, relevant ones are tinted orange."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["overlay"]

_INK = np.array([255, 140, 0], np.float32)


def overlay(image: Image.Image, heat: NDArray[np.floating]) -> Image.Image:
    """Draw a heat map over a picture.

    Args:
        image: Picture of any mode.
        heat: Map of shape (h, w), values 0..1. It is resized to the picture.

    Returns:
        RGB picture.
    """
    levels = Image.fromarray(np.asarray(heat, np.float32)).resize(image.size, Image.Resampling.BICUBIC)
    weight = np.clip(np.asarray(levels, np.float32), 0, 1)[..., None]
    color = np.asarray(image.convert("RGB"), np.float32)
    gray = color.mean(axis=2, keepdims=True) * 0.6 + 80
    mixed = gray * (1 - weight) + (0.6 * color + 0.4 * _INK) * weight
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))
