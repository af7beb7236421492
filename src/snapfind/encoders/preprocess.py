"""Pictures of any size to the square uint8 tensor that the network takes: scaled to fit, never cropped.

The longer side becomes `side` and the rest is padded with one colour. Which colour is part of quality: catalogue
pictures stand on white, so white padding adds no edge (benchmarks/photo_to_studio.py measures the others).
Normalisation by mean and deviation is the first step of the network itself, so it cannot be forgotten.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["Preprocessing", "fitted", "to_tensor"]

_GAP = 2.0  # Pillow may shrink by whole factors first, down to twice the target: 3 times faster on large photos


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What happens to a picture before the network: square side in pixels, RGB pad colour, Pillow filter by name."""

    side: int
    pad: tuple[int, int, int] = (255, 255, 255)
    interpolation: str = "bicubic"

    @classmethod
    def parse(cls, values: dict[str, object]) -> "Preprocessing":
        """From the manifest's dictionary. Raises KeyError, TypeError or ValueError on other shapes."""
        red, green, blue = (int(level) for level in values["pad"])  # type: ignore[attr-defined]
        chosen = cls(int(str(values["side"])), (red, green, blue), str(values["interpolation"]))
        Image.Resampling[chosen.interpolation.upper()]
        return chosen

    def as_dict(self) -> dict[str, object]:
        """For the manifest and the space."""
        return asdict(self) | {"pad": list(self.pad)}


def to_tensor(images: Sequence[Image.Image], chosen: Preprocessing) -> NDArray[np.uint8]:
    """Pictures of any mode and size -> (n, side, side, 3) uint8, RGB.

    >>> to_tensor([Image.new("RGB", (640, 480))], Preprocessing(224)).shape
    (1, 224, 224, 3)
    """
    blank = np.frombuffer(bytes(chosen.pad) * chosen.side**2, np.uint8).reshape(chosen.side, chosen.side, 3)
    tensor = np.repeat(blank[None], len(images), axis=0)  # ten times faster than to assign the colour
    for row, image in zip(tensor, images):
        small = fitted(image, chosen)
        left, top = (chosen.side - small.width) // 2, (chosen.side - small.height) // 2
        row[top : top + small.height, left : left + small.width] = np.asarray(small)
    return tensor


def fitted(image: Image.Image, chosen: Preprocessing) -> Image.Image:
    """RGB, scaled so that the longer side is `side`; the shorter keeps at least one pixel. Twice is as once."""
    scale = chosen.side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    return rgb.resize(size, Image.Resampling[chosen.interpolation.upper()], reducing_gap=_GAP)
