"""What a phone does to a scene: light, color, shadow, blur, noise and JPEG, all drawn from a random generator."""

import io

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

__all__ = ["snap", "tilt"]


def snap(scene: Image.Image, rng: Generator) -> Image.Image:
    """An RGB scene as a phone would keep it; the same size."""
    seen: NDArray[np.float32] = np.array(scene, np.float32) / np.float32(255)
    levels = _light(seen, rng) * _shadow(scene.size, rng)
    levels += rng.normal(0, rng.uniform(0, 0.03), levels.shape).astype(np.float32)
    photo = Image.fromarray((levels.clip(0, 1) * 255).astype(np.uint8))
    photo = ImageEnhance.Color(photo).enhance(rng.uniform(0.85, 1.3))
    photo = photo.filter(ImageFilter.GaussianBlur(float(rng.exponential(0.5))))
    return _jpeg(photo, int(rng.integers(35, 90)))


def tilt(image: Image.Image, rng: Generator, least: float, most: float) -> Image.Image:
    """Seen askew: each corner of the view moves inwards by a part of the side in `least`..`most`; below 0, outwards.

    Inwards crops; outwards shrinks, and leaves transparency around an RGBA image. Keeps mode and size.
    """
    width, height = image.size
    x, y = rng.uniform(least, most, 4) * width, rng.uniform(least, most, 4) * height
    quad = (x[0], y[0], x[1], height - y[1], width - x[2], height - y[2], width - x[3], y[3])
    return image.transform(image.size, Image.Transform.QUAD, [float(side) for side in quad], Image.Resampling.BILINEAR)


def _light(levels: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    """Exposure, gamma and what the phone's white balance leaves of the lamps' color."""
    warm = rng.normal(0.01, 0.05)
    gains = np.array([1 + warm, 1 + rng.normal(0, 0.02), 1 - warm], np.float32) * rng.uniform(0.85, 1.3)
    bent: NDArray[np.float32] = levels ** np.float32(rng.uniform(0.75, 1.25))
    return bent * gains


def _shadow(size: tuple[int, int], rng: Generator) -> NDArray[np.float32]:
    """(h, w, 1) factors in 0..1: a slope of light across the picture."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / max(size)
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.4)
    slope = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    slope = (slope - slope.min()) / max(float(np.ptp(slope)), 1e-6)
    shade: NDArray[np.float32] = (1 - np.float32(depth) * slope)[..., None]
    return shade


def _jpeg(photo: Image.Image, quality: int) -> Image.Image:
    held = io.BytesIO()
    photo.save(held, "JPEG", quality=quality)
    return Image.open(held).convert("RGB")
