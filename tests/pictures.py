"""Small pictures for tests, made on the spot: each number gives a picture of its own, the same every time."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

__all__ = ["picture", "save"]


def picture(number: int, side: int = 96) -> Image.Image:
    """A white studio picture with a figure whose shape, color and place follow from the number."""
    rng = np.random.default_rng(number)
    image = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(image)
    for _ in range(3):
        x0, y0 = rng.integers(5, side // 2, 2)
        x1, y1 = rng.integers(side // 2 + 5, side - 5, 2)
        color = tuple(int(value) for value in rng.integers(0, 220, 3))
        shape = (draw.ellipse, draw.rectangle, draw.pieslice)[int(rng.integers(3))]
        box = (int(x0), int(y0), int(x1), int(y1))
        shape(box, fill=color) if shape != draw.pieslice else draw.pieslice(box, 20, 250, fill=color)
    return image


def save(number: int, path: Path, side: int = 96) -> Path:
    """Write `picture(number)`; the format follows the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(number, side).save(path)
    return path
