"""New training photos: a product cut out of its studio picture, set on a background with its light and a shadow.

media/image/photo_simulation.py draws whole shops; here the background is a picture that the shop has (a shelf, a
table). The product takes on some of the background's light and color (mean and spread of its levels, after Reinhard
et al. 2001), throws a shadow away from a light of its own, and goes through a phone's camera. Seeded.
"""

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter

from snapfind.media.image.background import cut_out_product
from snapfind.media.image.camera_noise import add_camera_effects

__all__ = ["composed"]

_SIDE = 256
_TAKEN = (0.1, 0.5)  # how much of the background's light the product takes on
_SIZE = (0.45, 0.95)  # of the product's longer side, in sides of the photo


def composed(product: Image.Image, background: Image.Image, rng: Generator) -> Image.Image:
    """A studio picture or its RGBA cut-out, and any RGB picture -> a photo of 256 by 256, RGB.

    >>> composed(studio, shelf, np.random.default_rng(0)).size
    (256, 256)
    """
    cut = product if product.mode == "RGBA" else cut_out_product(product)
    scene = _part(background.convert("RGB"), rng)
    scale = rng.uniform(*_SIZE) * _SIDE / max(cut.size)
    copy = cut.resize((max(8, round(cut.width * scale)), max(8, round(cut.height * scale))), Image.Resampling.LANCZOS)
    copy = copy.rotate(float(rng.normal(0, 15)), Image.Resampling.BICUBIC, expand=True)
    lit = _lit(copy, scene, rng)
    corner = tuple(round((_SIDE - side) * 0.5 + float(rng.normal(0, 0.08)) * _SIDE) for side in (lit.width, lit.height))
    _shade(scene, lit, (corner[0], corner[1]), rng)
    scene.paste(lit, (corner[0], corner[1]), lit)
    return add_camera_effects(scene, rng)


def _part(background: Image.Image, rng: Generator) -> Image.Image:
    """A square of the background, half to all of its shorter side, as it would be a little out of focus."""
    side = max(8, round(float(rng.uniform(0.5, 1)) * min(background.size)))
    left, top = (int(rng.integers(length - side + 1)) for length in background.size)
    square = background.crop((left, top, left + side, top + side)).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    return square.filter(ImageFilter.GaussianBlur(float(rng.exponential(1.2))))


def _lit(copy: Image.Image, scene: Image.Image, rng: Generator) -> Image.Image:
    """Part of the way from the product's own levels to those of the scene, and brighter on the side of a light."""
    levels, alpha = np.asarray(copy.convert("RGB"), np.float32), np.asarray(copy.getchannel("A"), np.float32) / 255
    own, behind = levels[alpha > 0.5], np.asarray(scene, np.float32).reshape(-1, 3)
    if not len(own):
        return copy
    part = float(rng.uniform(*_TAKEN))
    middle = own.mean(axis=0) + part * (behind.mean(axis=0) - own.mean(axis=0)) * 0.5
    spread = 1 + part * (behind.std() / max(float(own.std()), 1.0) - 1) * 0.5
    moved = (levels - own.mean(axis=0)) * spread + middle
    across, down = np.meshgrid(np.linspace(-1, 1, copy.width), np.linspace(-1, 1, copy.height))
    angle = float(rng.uniform(0, 2 * np.pi))
    slope = 1 + float(rng.uniform(0, 0.25)) * (np.cos(angle) * across + np.sin(angle) * down)[..., None]
    lit = Image.fromarray((moved * slope).clip(0, 255).astype(np.uint8)).convert("RGBA")
    lit.putalpha(copy.getchannel("A"))
    return lit


def _shade(scene: Image.Image, product: Image.Image, corner: tuple[int, int], rng: Generator) -> None:
    """A soft shadow beside the product and a hard dark one where it touches the ground."""
    depth = product.getchannel("A").point(lambda level: level * 2 // 5)
    soft = Image.new("L", scene.size)
    offset = (corner[0] + int(rng.integers(-16, 17)), corner[1] + int(rng.integers(3, 14)))
    soft.paste(depth, offset)
    scene.paste((0, 0, 0), (0, 0), soft.filter(ImageFilter.GaussianBlur(float(rng.uniform(3, 9)))))
    near = Image.new("L", scene.size)
    near.paste(depth, (corner[0], corner[1] + 3))
    scene.paste((0, 0, 0), (0, 0), near.filter(ImageFilter.GaussianBlur(1.5)))
