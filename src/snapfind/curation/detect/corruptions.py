"""Pictures spoiled on purpose, in the ways that hurt a catalog: blurred, blown up from a tiny file, written over, put
together from several. A detector learns from these what to look for (curation/detect/image_faults.py); nothing here is
served.
"""

import io
from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter, ImageFont

__all__ = ["SPOILT", "collage", "spoilt"]

SPOILT = ("blurred", "tiny", "text", "collage")
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 %.-!"


def spoilt(image: Image.Image, how: str, rng: Generator, others: Sequence[Image.Image]) -> Image.Image:
    """An RGB picture with one fault of `SPOILT`; `others` are pictures for collages. The same size as before."""
    change: Callable[[Image.Image, Generator], Image.Image] = {
        "blurred": _blurred,
        "tiny": _tiny,
        "text": _written_over,
        "collage": lambda own, drawn: collage([own, *others], drawn),
    }[how]
    return change(image.convert("RGB"), rng)


def _blurred(image: Image.Image, rng: Generator) -> Image.Image:
    """Out of focus, or moved."""
    side = max(image.size)
    if rng.random() < 0.5:
        return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.008, 0.03)) * side))
    steps = max(3, round(float(rng.uniform(0.02, 0.06)) * side))
    angle = float(rng.uniform(0, np.pi))
    sum_ = np.zeros((image.height, image.width, 3))
    for step in range(steps):
        shift = ((step - steps / 2) * np.cos(angle), (step - steps / 2) * np.sin(angle))
        moved = image.transform(image.size, Image.Transform.AFFINE, (1, 0, shift[0], 0, 1, shift[1]))
        sum_ += np.asarray(moved, np.float64)
    return Image.fromarray((sum_ / steps).astype(np.uint8))


def _tiny(image: Image.Image, rng: Generator) -> Image.Image:
    """From a file of 24 to 64 pixels, as hard a JPEG as such files are."""
    small = image.copy()
    small.thumbnail((int(rng.integers(24, 64)),) * 2)
    held = io.BytesIO()
    small.save(held, "JPEG", quality=int(rng.integers(40, 85)))
    return Image.open(held).convert("RGB").resize(image.size, Image.Resampling.BICUBIC)


def _written_over(image: Image.Image, rng: Generator) -> Image.Image:
    """Words across it: a watermark repeated over the whole, or lines of advertising."""
    layer = Image.new("RGBA", image.size)
    draw, side = ImageDraw.Draw(layer), max(image.size)
    color = tuple(int(level) for level in rng.integers(0, 256, 3)) if rng.random() < 0.5 else (255, 255, 255)
    tiled = rng.random() < 0.5
    ink = (*color, int(rng.integers(70, 170) if tiled else rng.integers(170, 256)))
    size = max(8.0, side * float(rng.uniform(0.05, 0.11)))
    font, pitch = ImageFont.load_default(size), size * float(rng.uniform(1.3, 2.2))
    rows = np.arange(0, image.height, pitch)
    for y in rows if tiled else rows[: int(rng.integers(2, max(3, len(rows))))]:
        words = "".join(rng.choice(list(_LETTERS), int(rng.integers(8, 40))))
        draw.text((float(rng.uniform(-0.2, 0.3)) * image.width, float(y)), words, ink, font)
    turned = layer.rotate(float(rng.uniform(-40, 40)) if tiled else 0.0, Image.Resampling.BILINEAR)
    return Image.alpha_composite(image.convert("RGBA"), turned).convert("RGB")


def collage(images: Sequence[Image.Image], rng: Generator) -> Image.Image:
    """Two to six pictures side by side in a grid, as large as the first."""
    columns, rows = ((2, 1), (1, 2), (2, 2), (3, 2), (2, 3))[int(rng.integers(5))]
    page = Image.new("RGB", images[0].size, "white")
    width, height, gap = page.width / columns, page.height / rows, int(rng.integers(0, 6))
    chosen = [0, *rng.integers(0, len(images), columns * rows - 1)]
    for place, which in enumerate(chosen):
        cell = (max(4, int(width) - gap), max(4, int(height) - gap))
        corner = (round(place % columns * width), round(place // columns * height))
        page.paste(images[int(which)].convert("RGB").resize(cell), corner)
    return page
