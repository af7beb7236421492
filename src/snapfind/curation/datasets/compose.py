"""Compositing: training photos of a product cut out of its studio picture and pasted on a background.

The background is a picture of the shop, for example of a shelf. The colors of the product are moved toward those of the
background (mean and deviation, after Reinhard et al., "Color transfer between images", 2001). Then lighting, a shadow
and camera noise are added.
"""

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter

from snapfind.media.image.background import cut_out_product
from snapfind.media.image.camera_noise import add_camera_effects

__all__ = ["compose_photo"]

_SIDE = 256
_TRANSFER = (0.1, 0.5)  # strength of the color transfer
_SIZE = (0.45, 0.95)  # longer side of the product as a fraction of the photo's side


def compose_photo(product: Image.Image, background: Image.Image, rng: Generator) -> Image.Image:
    """Paste a product on a background.

    Args:
        product: Studio picture of the product, or its RGBA cut_out_product.
        background: Any picture.
        rng: Random generator.

    Returns:
        RGB photo of 256 by 256 pixels.

    Example:
        >>> compose_photo(studio, background, np.random.default_rng(0)).size
        (256, 256)
    """
    cut = product if product.mode == "RGBA" else cut_out_product(product)
    scene = _crop_background(background.convert("RGB"), rng)
    scale = rng.uniform(*_SIZE) * _SIDE / max(cut.size)
    copy = cut.resize((max(8, round(cut.width * scale)), max(8, round(cut.height * scale))), Image.Resampling.LANCZOS)
    copy = copy.rotate(float(rng.normal(0, 15)), Image.Resampling.BICUBIC, expand=True)
    lit = _relight(copy, scene, rng)
    corner = tuple(round((_SIDE - side) * 0.5 + float(rng.normal(0, 0.08)) * _SIDE) for side in (lit.width, lit.height))
    _add_shadow(scene, lit, (corner[0], corner[1]), rng)
    scene.paste(lit, (corner[0], corner[1]), lit)
    return add_camera_effects(scene, rng)


def _crop_background(background: Image.Image, rng: Generator) -> Image.Image:
    """Crop a random square of half to all of the shorter side, and blur it a little."""
    side = max(8, round(float(rng.uniform(0.5, 1)) * min(background.size)))
    left, top = (int(rng.integers(length - side + 1)) for length in background.size)
    square = background.crop((left, top, left + side, top + side)).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    return square.filter(ImageFilter.GaussianBlur(float(rng.exponential(1.2))))


def _relight(copy: Image.Image, scene: Image.Image, rng: Generator) -> Image.Image:
    """Move the colors of the product toward those of the scene, and brighten one side."""
    levels, alpha = np.asarray(copy.convert("RGB"), np.float32), np.asarray(copy.getchannel("A"), np.float32) / 255
    own, behind = levels[alpha > 0.5], np.asarray(scene, np.float32).reshape(-1, 3)
    if not len(own):
        return copy
    strength = float(rng.uniform(*_TRANSFER))
    middle = own.mean(axis=0) + strength * (behind.mean(axis=0) - own.mean(axis=0)) * 0.5
    spread = 1 + strength * (behind.std() / max(float(own.std()), 1.0) - 1) * 0.5
    moved = (levels - own.mean(axis=0)) * spread + middle
    across, down = np.meshgrid(np.linspace(-1, 1, copy.width), np.linspace(-1, 1, copy.height))
    angle = float(rng.uniform(0, 2 * np.pi))
    slope = 1 + float(rng.uniform(0, 0.25)) * (np.cos(angle) * across + np.sin(angle) * down)[..., None]
    lit = Image.fromarray((moved * slope).clip(0, 255).astype(np.uint8)).convert("RGBA")
    lit.putalpha(copy.getchannel("A"))
    return lit


def _add_shadow(scene: Image.Image, product: Image.Image, corner: tuple[int, int], rng: Generator) -> None:
    """Draw a soft shadow beside the product and a dark one below it."""
    depth = product.getchannel("A").point(lambda level: level * 2 // 5)
    soft = Image.new("L", scene.size)
    offset = (corner[0] + int(rng.integers(-16, 17)), corner[1] + int(rng.integers(3, 14)))
    soft.paste(depth, offset)
    scene.paste((0, 0, 0), (0, 0), soft.filter(ImageFilter.GaussianBlur(float(rng.uniform(3, 9)))))
    near = Image.new("L", scene.size)
    near.paste(depth, (corner[0], corner[1] + 3))
    scene.paste((0, 0, 0), (0, 0), near.filter(ImageFilter.GaussianBlur(1.5)))
