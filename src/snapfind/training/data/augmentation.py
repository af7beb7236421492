"""Augmentation: random views of photos and studio images.

A view depends only on the seed, the number of the sample and the number of the view, so a resumed run draws the same
views. View 0 of a photo and of a studio image is the image itself. Photos are cropped, flipped, rotated and changed in
color. Studio images are scaled and moved on a white background. For products without photos, synthetic photos are made
of the studio images (media/image/photo_simulation.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageEnhance

from snapfind.encoders.base import Role
from snapfind.media.image.background import cut_out_product
from snapfind.media.image.photo_simulation import simulate_photo

__all__ = ["How", "Sample", "view_of"]

How = Literal["photo", "studio", "synthetic"]
_AREA = (0.3, 1.0)  # area of a crop as a fraction of the photo
_RATIO = (3 / 4, 4 / 3)  # width to height of a crop
_ROTATION = 20.0  # standard deviation in degrees


@dataclass(frozen=True, slots=True)
class Sample:
    """A training sample.

    Attributes:
        load: Loads the RGB image.
        product: Number of the product.
        how: Kind of augmentation: of a photo, of a studio image, or a synthetic photo made of a studio image.
    """

    load: Callable[[], Image.Image]
    product: int
    how: How

    @property
    def role(self) -> Role:
        """Role of the views in a search: query photo or catalog image."""
        return "document" if self.how == "studio" else "query"


def view_of(
    image: Image.Image, how: How, number: int, view: int, seed: int, backgrounds: Sequence[Image.Image] = ()
) -> Image.Image:
    """Draw a view of an image.

    Args:
        image: RGB image.
        how: Kind of augmentation.
        number: Number of the sample.
        view: Number of the view.
        seed: Random seed.
        backgrounds: Cutouts that may appear behind the product in a synthetic photo.

    Returns:
        RGB image of any size.
    """
    rng = np.random.default_rng([seed, number, view])
    if how == "synthetic":
        return simulate_photo(cut_out_product(image), rng, backgrounds)
    if view == 0:
        return image
    return _augment_photo(image, rng) if how == "photo" else _augment_studio(image, rng)


def _augment_photo(image: Image.Image, rng: Generator) -> Image.Image:
    """Crop to 30 to 100 % of the area, rotate and flip at random, and change the colors."""
    width, height = image.size
    area, ratio = rng.uniform(*_AREA) * width * height, np.exp(rng.uniform(*np.log(_RATIO)))
    across, down = min(width, round((area * ratio) ** 0.5)), min(height, round((area / ratio) ** 0.5))
    left, top = int(rng.integers(width - across + 1)), int(rng.integers(height - down + 1))
    rotated = image.rotate(rng.normal(0, _ROTATION), Image.Resampling.BILINEAR) if rng.random() < 0.4 else image
    return _jitter_colors(_flip(rotated.crop((left, top, left + across, top + down)), rng), rng, 0.4)


def _augment_studio(image: Image.Image, rng: Generator) -> Image.Image:
    """Scale and move on a white background, flip at random, and change the colors slightly."""
    side = round(max(image.size) * rng.uniform(0.8, 1.3))
    canvas = Image.new("RGB", (side, side), "white")
    margins = side - image.width, side - image.height
    offset = tuple(round(margin * rng.uniform(0.2, 0.8)) for margin in margins)
    canvas.paste(image, (offset[0], offset[1]))
    return _jitter_colors(_flip(canvas, rng), rng, 0.15)


def _flip(image: Image.Image, rng: Generator) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else image


def _jitter_colors(image: Image.Image, rng: Generator, strength: float) -> Image.Image:
    """Change brightness, contrast and saturation by up to `strength`, and the color balance by a third of it."""
    for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhancer(image).enhance(rng.uniform(1 - strength, 1 + strength))
    gains = rng.uniform(1 - strength / 3, 1 + strength / 3, 3)
    levels = np.arange(256)
    return image.point([int(level) for gain in gains for level in np.minimum(levels * gain, 255)])
