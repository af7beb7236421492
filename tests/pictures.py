"""Small pictures for tests, made on the spot: each number gives a picture of its own, the same every time."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

__all__ = ["carton", "picture", "save"]


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


def carton(name: str, *, top: float = 0.2, ground: str = "white") -> Image.Image:
    """A white carton with a printed name, whose upper edge is at `top` of the height."""
    image = Image.new("RGB", (320, 320), ground)
    draw = ImageDraw.Draw(image)
    draw.rectangle((30, 20, 290, 300), fill="#f6f4ee", outline="#888", width=3)
    draw.text((160, 320 * top), name, fill="#222", font=ImageFont.load_default(34), anchor="ma")
    return image
