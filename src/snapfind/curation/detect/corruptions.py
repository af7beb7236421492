"""Synthetic image corruptions: blur, upscaling, text overlays and collages.

The detectors of curation/detect/image_faults.py are fitted on them.
"""

import io
from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter, ImageFont

__all__ = ["CORRUPTIONS", "collage", "corrupt"]

CORRUPTIONS = ("blurred", "tiny", "text", "collage")
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 %.-!"


def corrupt(image: Image.Image, kind: str, rng: Generator, others: Sequence[Image.Image]) -> Image.Image:
    """Corrupt a picture.

    Args:
        image: The picture.
        kind: One of `CORRUPTIONS`.
        rng: Random generator.
        others: Other pictures for collages.

    Returns:
        RGB picture of the same size.
    """
    change: Callable[[Image.Image, Generator], Image.Image] = {
        "blurred": _blur,
        "tiny": _upscale,
        "text": _write_over,
        "collage": lambda own, generator: collage([own, *others], generator),
    }[kind]
    return change(image.convert("RGB"), rng)


def _blur(image: Image.Image, rng: Generator) -> Image.Image:
    """Blur by defocus or by motion."""
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


def _upscale(image: Image.Image, rng: Generator) -> Image.Image:
    """Enlarge from a JPEG of 24 to 64 pixels."""
    small = image.copy()
    small.thumbnail((int(rng.integers(24, 64)),) * 2)
    file = io.BytesIO()
    small.save(file, "JPEG", quality=int(rng.integers(40, 85)))
    return Image.open(file).convert("RGB").resize(image.size, Image.Resampling.BICUBIC)


def _write_over(image: Image.Image, rng: Generator) -> Image.Image:
    """Draw a repeated watermark or lines of advertising."""
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
    """Arrange two to six pictures in a grid.

    Args:
        images: Pictures. The first is always used.
        rng: Random generator.

    Returns:
        RGB picture with the size of the first.
    """
    columns, rows = ((2, 1), (1, 2), (2, 2), (3, 2), (2, 3))[int(rng.integers(5))]
    page = Image.new("RGB", images[0].size, "white")
    width, height, gap = page.width / columns, page.height / rows, int(rng.integers(0, 6))
    chosen = [0, *rng.integers(0, len(images), columns * rows - 1)]
    for place, which in enumerate(chosen):
        cell = (max(4, int(width) - gap), max(4, int(height) - gap))
        corner = (round(place % columns * width), round(place // columns * height))
        page.paste(images[int(which)].convert("RGB").resize(cell), corner)
    return page
