"""Pictures of any size to the square uint8 tensor that a network takes, scaled in the way it was trained with.

The shipped network's way is "fit": the longer side becomes `side` and the rest is padded with one colour, nothing is
cropped. Which colour is part of quality: catalogue pictures stand on white, so white padding adds no edge
(benchmarks/photo_to_studio.py measures the others). The other ways are those of torchvision, timm and transformers,
pixel by pixel, for networks that were trained with them. Normalisation by mean and deviation is the first step of the
network itself, so it cannot be forgotten.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from snapfind.media.image.color import to_srgb

__all__ = ["Preprocessing", "Resize", "fitted", "to_tensor"]

Resize = Literal["fit", "longest", "shortest", "squash"]
Middle = Literal["down", "even"]
_GAP = 2.0  # Pillow may shrink by whole factors first, down to twice the target: 3 times faster on large photos
_STRIP = 32  # times as long as high: what is longer is cut before it is scaled
_MOST = 2048  # pixels of a side: far above any network's, far below what a manifest could do harm with
_FIRST = ("side", "pad", "interpolation")  # what the manifests of the shipped encoders hold, and their spaces' names


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What happens to a picture before the network: square side in pixels, RGB pad colour, Pillow filter by name.

    `resize`: "fit" and "longest" scale to `side` and pad (the first faster, within a level or two of the other);
    "squash" scales both sides to `side`; "shortest" scales the shorter side to `scaled` pixels and cuts the middle out.
    `middle` says where half a pixel goes then: "down" in transformers, to the "even" one in torchvision.
    """

    side: int
    pad: tuple[int, int, int] = (255, 255, 255)
    interpolation: str = "bicubic"
    resize: Resize = "fit"
    scaled: int = 0
    middle: Middle = "down"

    @classmethod
    def parse(cls, values: dict[str, object]) -> "Preprocessing":
        """From the manifest's dictionary. Raises KeyError, TypeError or ValueError on other shapes."""
        red, green, blue = (int(level) for level in values["pad"])  # type: ignore[attr-defined]
        resize, middle = values.get("resize", "fit"), values.get("middle", "down")
        side, scaled = int(str(values["side"])), int(str(values.get("scaled", 0)))
        if resize not in get_args(Resize) or middle not in get_args(Middle):
            raise ValueError(f"resize {resize!r}, middle {middle!r}")
        if not 8 <= side <= _MOST or (resize == "shortest" and not side <= scaled <= _MOST):
            raise ValueError(f"side {side}, scaled {scaled}")
        chosen = cls(side, (red, green, blue), str(values["interpolation"]), resize, scaled, middle)  # type: ignore[arg-type]
        Image.Resampling[chosen.interpolation.upper()]
        return chosen

    def as_dict(self) -> dict[str, object]:
        """For the manifest and the space."""
        told = asdict(self) | {"pad": list(self.pad)}
        return {name: told[name] for name in (_FIRST if self.resize == "fit" else told)}

    @property
    def source_side(self) -> int:
        """The longest side, in pixels, that a picture should still have when it is decoded smaller than it is.

        Where the shorter side counts, a picture twice as long as high keeps enough of it.
        """
        return {"squash": 2 * self.side, "shortest": 2 * self.scaled}.get(self.resize, self.side)


def to_tensor(images: Sequence[Image.Image], chosen: Preprocessing) -> NDArray[np.uint8]:
    """Pictures of any mode and size -> (n, side, side, 3) uint8, RGB.

    >>> to_tensor([Image.new("RGB", (640, 480))], Preprocessing(224)).shape
    (1, 224, 224, 3)
    """
    blank = np.frombuffer(bytes(chosen.pad) * chosen.side**2, np.uint8).reshape(chosen.side, chosen.side, 3)
    tensor = np.repeat(blank[None], len(images), axis=0)  # ten times faster than to assign the colour
    for row, image in zip(tensor, images):
        small = _WAYS[chosen.resize](image, chosen)
        left, top = (chosen.side - small.width) // 2, (chosen.side - small.height) // 2
        row[top : top + small.height, left : left + small.width] = np.asarray(small)
    return tensor


def fitted(image: Image.Image, chosen: Preprocessing) -> Image.Image:
    """RGB, scaled so that the longer side is `side`; the shorter keeps at least one pixel. Twice is as once."""
    scale = chosen.side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return _rgb(image).resize(size, Image.Resampling[chosen.interpolation.upper()], reducing_gap=_GAP)


def _longest(image: Image.Image, chosen: Preprocessing) -> Image.Image:
    """As open_clip's ResizeKeepRatio: the same sizes but for the last bit of a fraction."""
    ratio = max(image.size) / chosen.side
    return _resized(image, (max(1, round(image.width / ratio)), max(1, round(image.height / ratio))), chosen)


def _squashed(image: Image.Image, chosen: Preprocessing) -> Image.Image:
    return _resized(image, (chosen.side, chosen.side), chosen)


def _shortest(image: Image.Image, chosen: Preprocessing) -> Image.Image:
    """The longer side is cut down to a whole pixel, not rounded: so do all three libraries."""
    image, short = _bounded(image), min(image.size)
    size = (int(chosen.scaled * image.width / short), int(chosen.scaled * image.height / short))
    large = _resized(image, size, chosen)
    left, top = (_half(length - chosen.side, chosen.middle) for length in large.size)
    return large.crop((left, top, left + chosen.side, top + chosen.side))


def _bounded(image: Image.Image) -> Image.Image:
    """A strip without its ends, which are cut off anyway: scaled as a whole it could fill the memory."""
    most = _STRIP * min(image.size)
    if max(image.size) <= most:
        return image
    left, top = (max(0, (length - most) // 2) for length in image.size)
    return image.crop((left, top, min(image.width, left + most), min(image.height, top + most)))


def _half(pixels: int, middle: Middle) -> int:
    return round(pixels / 2) if middle == "even" else pixels // 2


def _resized(image: Image.Image, size: tuple[int, int], chosen: Preprocessing) -> Image.Image:
    return _rgb(image).resize(size, Image.Resampling[chosen.interpolation.upper()])


def _rgb(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGB" else to_srgb(image)


_WAYS = {"fit": fitted, "longest": _longest, "squash": _squashed, "shortest": _shortest}
