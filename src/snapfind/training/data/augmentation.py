"""Views of a picture: what a shopper's next photo of the same thing, or the shop's next studio picture, may look like.

A view follows from (seed, number of the picture, number of the view) alone, so a run that goes on after an interruption
draws the same ones. View 0 of a photo and of a studio picture is the picture itself. Photos are cropped, mirrored,
turned and lit; studio pictures are moved on their white ground; where a product has no photos, its studio picture is
photographed again (media/image/photo_simulation.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageEnhance

from snapfind.encoders.base import Role
from snapfind.media.image.background import cutout
from snapfind.media.image.photo_simulation import rephotograph

__all__ = ["How", "Shown", "view_of"]

How = Literal["photo", "studio", "rephotographed"]
_AREA = (0.3, 1.0)  # of the photo that a crop keeps
_RATIO = (3 / 4, 4 / 3)
_TURN = 20.0  # degrees, standard deviation


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture to learn from: how to load it (RGB), the number of its product, and how views of it are drawn."""

    load: Callable[[], Image.Image]
    product: int
    how: How

    @property
    def role(self) -> Role:
        """Which side of a search the views stand for."""
        return "catalogue" if self.how == "studio" else "query"


def view_of(
    image: Image.Image, how: How, number: int, view: int, seed: int, others: Sequence[Image.Image] = ()
) -> Image.Image:
    """View number `view` of picture number `number`, RGB, of any size. `others` stand behind a rephotographed one."""
    rng = np.random.default_rng([seed, number, view])
    if how == "rephotographed":
        return rephotograph(cutout(image), rng, others)
    if view == 0:
        return image
    return _photo(image, rng) if how == "photo" else _studio(image, rng)


def _photo(image: Image.Image, rng: Generator) -> Image.Image:
    """Cropped to 30 to 100 % of its area, perhaps mirrored and turned, under other light."""
    width, height = image.size
    area, ratio = rng.uniform(*_AREA) * width * height, np.exp(rng.uniform(*np.log(_RATIO)))
    across, down = min(width, round((area * ratio) ** 0.5)), min(height, round((area / ratio) ** 0.5))
    left, top = int(rng.integers(width - across + 1)), int(rng.integers(height - down + 1))
    turned = image.rotate(rng.normal(0, _TURN), Image.Resampling.BILINEAR) if rng.random() < 0.4 else image
    return _lit(_mirrored(turned.crop((left, top, left + across, top + down)), rng), rng, 0.4)


def _studio(image: Image.Image, rng: Generator) -> Image.Image:
    """Smaller or larger on its white ground, perhaps mirrored, under slightly other light."""
    side = round(max(image.size) * rng.uniform(0.8, 1.3))
    ground = Image.new("RGB", (side, side), "white")
    spare = side - image.width, side - image.height
    place = tuple(round(free * rng.uniform(0.2, 0.8)) for free in spare)
    ground.paste(image, (place[0], place[1]))
    return _lit(_mirrored(ground, rng), rng, 0.15)


def _mirrored(image: Image.Image, rng: Generator) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else image


def _lit(image: Image.Image, rng: Generator, most: float) -> Image.Image:
    """Brightness, contrast and saturation changed by up to that part; the lamps' colour by a third of it."""
    for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhancer(image).enhance(rng.uniform(1 - most, 1 + most))
    gains = rng.uniform(1 - most / 3, 1 + most / 3, 3)
    levels = np.arange(256)
    return image.point([int(level) for gain in gains for level in np.minimum(levels * gain, 255)])
