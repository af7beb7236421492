"""Random camera effects of a phone: light, color, shadow, perspective, blur, noise and JPEG."""

import io

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

__all__ = ["add_camera_effects", "warp_perspective"]


def add_camera_effects(scene: Image.Image, rng: Generator) -> Image.Image:
    """Change an image as the camera of a phone would.

    Args:
        scene: RGB image.
        rng: Random generator.

    Returns:
        RGB image of the same size.
    """
    pixels: NDArray[np.float32] = np.array(scene, np.float32) / np.float32(255)
    levels = _light(pixels, rng) * _shadow(scene.size, rng)
    levels += rng.normal(0, rng.uniform(0, 0.03), levels.shape).astype(np.float32)
    photo = Image.fromarray((levels.clip(0, 1) * 255).astype(np.uint8))
    photo = ImageEnhance.Color(photo).enhance(rng.uniform(0.85, 1.3))
    photo = photo.filter(ImageFilter.GaussianBlur(float(rng.exponential(0.5))))
    return _jpeg(photo, int(rng.integers(35, 90)))


def warp_perspective(image: Image.Image, rng: Generator, least: float, most: float) -> Image.Image:
    """Apply a random perspective transform.

    Args:
        image: Image of any mode.
        rng: Random generator.
        least: Minimum shift of each corner, as a fraction of the side. Positive: inwards, which crops. Negative:
            outwards, which shrinks and leaves an RGBA image transparent around it.
        most: Maximum shift.

    Returns:
        Image of the same mode and size.
    """
    width, height = image.size
    x, y = rng.uniform(least, most, 4) * width, rng.uniform(least, most, 4) * height
    quad = (x[0], y[0], x[1], height - y[1], width - x[2], height - y[2], width - x[3], y[3])
    return image.transform(image.size, Image.Transform.QUAD, [float(side) for side in quad], Image.Resampling.BILINEAR)


def _light(levels: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    """Apply random exposure, gamma and color temperature."""
    warm = rng.normal(0.01, 0.05)
    gains = np.array([1 + warm, 1 + rng.normal(0, 0.02), 1 - warm], np.float32) * rng.uniform(0.85, 1.3)
    curve: NDArray[np.float32] = levels ** np.float32(rng.uniform(0.75, 1.25))
    return curve * gains


def _shadow(size: tuple[int, int], rng: Generator) -> NDArray[np.float32]:
    """Return factors (h, w, 1) in 0..1: a gradient of light across the image."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / max(size)
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.4)
    slope = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    slope = (slope - slope.min()) / max(float(np.ptp(slope)), 1e-6)
    shade: NDArray[np.float32] = (1 - np.float32(depth) * slope)[..., None]
    return shade


def _jpeg(photo: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")
