"""Preprocessing: images of any size to the square uint8 tensor of a network.

The bundled network uses "fit": the longer side is resized to `side` and the rest is padded, without cropping. The
padding is white because product pictures have white backgrounds, so it adds no edge (benchmarks/photo_to_studio.py
compares other colors). The other modes reproduce torchvision, timm and transformers pixel by pixel, for networks that
were trained with them. Normalization by mean and standard deviation is the first layer of the network.
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
_GAP = 2.0  # Pillow may first reduce by integer factors, down to twice the target: 3 times faster on large photos
_STRIP = 32  # aspect ratio; longer images are cropped before they are resized
_MOST = 2048  # pixels of a side: far above any network's, and a bound for untrusted manifests
_FIRST = ("side", "pad", "interpolation")  # fields in the manifests and space ids of the bundled encoders


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Preprocessing of a network.

    Attributes:
        side: Side of the square input in pixels.
        pad: RGB color of the padding.
        interpolation: Name of a Pillow filter.
        resize: "fit" and "longest" resize the longer side to `side` and pad. "fit" is faster and differs by a level or
            two. "squash" resizes both sides to `side`. "shortest" resizes the shorter side to `scaled` pixels and crops
            the center.
        scaled: Length of the shorter side in pixels for "shortest".
        middle: Rounding of the crop offset: "down" as in transformers, "even" as in torchvision.
    """

    side: int
    pad: tuple[int, int, int] = (255, 255, 255)
    interpolation: str = "bicubic"
    resize: Resize = "fit"
    scaled: int = 0
    middle: Middle = "down"

    @classmethod
    def parse(cls, values: dict[str, object]) -> "Preprocessing":
        """Parse the entry of a manifest.

        Args:
            values: Values of `as_dict`.

        Returns:
            The preprocessing.

        Raises:
            KeyError: If a value is missing.
            TypeError: If a value has the wrong type.
            ValueError: If a value is out of range.
        """
        red, green, blue = (int(level) for level in values["pad"])  # type: ignore[attr-defined]
        resize, middle = values.get("resize", "fit"), values.get("middle", "down")
        side, scaled = int(str(values["side"])), int(str(values.get("scaled", 0)))
        if resize not in get_args(Resize) or middle not in get_args(Middle):
            raise ValueError(f"resize {resize!r}, middle {middle!r}")
        if not 8 <= side <= _MOST or (resize == "shortest" and not side <= scaled <= _MOST):
            raise ValueError(f"side {side}, scaled {scaled}")
        preprocessing = cls(side, (red, green, blue), str(values["interpolation"]), resize, scaled, middle)  # type: ignore[arg-type]
        Image.Resampling[preprocessing.interpolation.upper()]
        return preprocessing

    def as_dict(self) -> dict[str, object]:
        """Return the values for the manifest and the space."""
        values = asdict(self) | {"pad": list(self.pad)}
        return {name: values[name] for name in (_FIRST if self.resize == "fit" else values)}

    @property
    def source_side(self) -> int:
        """Longest side in pixels that a decoder may reduce an image to.

        For modes that use the shorter side, this is enough for images up to an aspect ratio of 2.
        """
        return {"squash": 2 * self.side, "shortest": 2 * self.scaled}.get(self.resize, self.side)


def to_tensor(images: Sequence[Image.Image], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Convert images to the input of a network.

    Args:
        images: n images of any mode and size.
        preprocessing: Preprocessing of the network.

    Returns:
        RGB, uint8 of shape (n, side, side, 3).

    Example:
        >>> to_tensor([Image.new("RGB", (640, 480))], Preprocessing(224)).shape
        (1, 224, 224, 3)
    """
    side = preprocessing.side
    blank = np.frombuffer(bytes(preprocessing.pad) * side**2, np.uint8).reshape(side, side, 3)
    tensor = np.repeat(blank[None], len(images), axis=0)  # ten times faster than assigning the color
    for row, image in zip(tensor, images):
        small = _MODES[preprocessing.resize](image, preprocessing)
        left, top = (preprocessing.side - small.width) // 2, (preprocessing.side - small.height) // 2
        row[top : top + small.height, left : left + small.width] = np.asarray(small)
    return tensor


def fitted(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """Resize the longer side to `side`. A second call does not change the result.

    Args:
        image: Image of any mode and size.
        preprocessing: Preprocessing of the network.

    Returns:
        RGB image. The shorter side has at least one pixel.
    """
    scale = preprocessing.side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return _rgb(image).resize(size, Image.Resampling[preprocessing.interpolation.upper()], reducing_gap=_GAP)


def _longest(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """Resize as ResizeKeepRatio of open_clip: the sizes differ only in the last bit of a fraction."""
    ratio = max(image.size) / preprocessing.side
    return _resized(image, (max(1, round(image.width / ratio)), max(1, round(image.height / ratio))), preprocessing)


def _squashed(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    return _resized(image, (preprocessing.side, preprocessing.side), preprocessing)


def _shortest(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """Resize the shorter side and crop. All three libraries truncate the longer side instead of rounding it."""
    image, short = _bounded(image), min(image.size)
    size = (int(preprocessing.scaled * image.width / short), int(preprocessing.scaled * image.height / short))
    large = _resized(image, size, preprocessing)
    left, top = (_half(length - preprocessing.side, preprocessing.middle) for length in large.size)
    return large.crop((left, top, left + preprocessing.side, top + preprocessing.side))


def _bounded(image: Image.Image) -> Image.Image:
    """Crop the ends of a strip before it is resized, because the resized strip could fill the memory."""
    most = _STRIP * min(image.size)
    if max(image.size) <= most:
        return image
    left, top = (max(0, (length - most) // 2) for length in image.size)
    return image.crop((left, top, min(image.width, left + most), min(image.height, top + most)))


def _half(pixels: int, middle: Middle) -> int:
    return round(pixels / 2) if middle == "even" else pixels // 2


def _resized(image: Image.Image, size: tuple[int, int], preprocessing: Preprocessing) -> Image.Image:
    return _rgb(image).resize(size, Image.Resampling[preprocessing.interpolation.upper()])


def _rgb(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGB" else to_srgb(image)


_MODES = {"fit": fitted, "longest": _longest, "squash": _squashed, "shortest": _shortest}
