"""Translate the image preprocessing of a library, and compare it with the original pixel by pixel."""

from collections.abc import Callable, Sequence
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from snapfind.convert.source_model import Pixels
from snapfind.core.errors import BadInput
from snapfind.encoders.golden import golden_pictures
from snapfind.encoders.image.preprocess import Preprocessing, Resize, to_tensor

__all__ = ["check_pixels", "of_processor", "of_transform"]

_LEVEL = 1.01 / 255  # of 0..1: rounding of another implementation of the same filter
_FLAT = (255, 128, 0)


def of_processor(processor: Any, own: Callable[[Sequence[Image.Image]], Tensor], folder: Path) -> Pixels:
    """Translate an image processor of transformers.

    Args:
        processor: The processor.
        own: Function that applies it.
        folder: Folder of the model, for messages.

    Returns:
        The preprocessing.

    Raises:
        BadInput: It has no equivalent here.
    """
    size, crop = processor.size, processor.crop_size if getattr(processor, "do_center_crop", False) else None
    factor = getattr(processor, "rescale_factor", 1 / 255)
    if not processor.do_resize or not processor.do_normalize or not isclose(factor, 1 / 255, rel_tol=1e-3):
        raise BadInput(f"{folder}: its preprocessor_config.json scales pictures in a way that is not known here")
    shortest, height, width = (_part(size, name) for name in ("shortest_edge", "height", "width"))
    if shortest and crop and _part(crop, "height") == _part(crop, "width") <= shortest:
        resize, side, scaled = "shortest", _part(crop, "height"), shortest
    elif height and height == width and (not crop or _part(crop, "height") == _part(crop, "width") == height):
        resize, side, scaled = "squash", height, 0
    else:
        raise BadInput(f"{folder}: its preprocessor_config.json makes no square of a picture ({size}, crop {crop})")
    interpolation = Image.Resampling(int(processor.resample)).name.lower()
    ours = Preprocessing(side, (0, 0, 0), interpolation, resize, scaled, "down")  # type: ignore[arg-type]
    return Pixels(ours, _three(processor.image_mean), _three(processor.image_std), own)


def of_transform(
    transform: Callable[[Image.Image], Tensor],
    resize: Resize,
    side: int,
    *,
    scaled: int,
    pad: int,
    interpolation: str,
    mean: Sequence[float],
    deviation: Sequence[float],
) -> Pixels:
    """Translate a transform of torchvision, as open_clip and timm build it.

    Args:
        transform: The transform.
        resize: How images become square.
        side: Side of the network's input.
        scaled: Length of the shorter side before cropping.
        pad: Gray level of the padding.
        interpolation: Name of the filter.
        mean: Mean of each channel, 0..1.
        deviation: Standard deviation of each channel, 0..1.

    Returns:
        The preprocessing.
    """

    def own(images: Sequence[Image.Image]) -> Tensor:
        return torch.stack([transform(image) for image in images])

    ours = Preprocessing(side, (pad, pad, pad), interpolation, resize, scaled if resize == "shortest" else 0, "even")
    return Pixels(ours, _three(mean), _three(deviation), own)


def check_pixels(pixels: Pixels) -> float:
    """Compare the preprocessing with the library's own.

    Args:
        pixels: The preprocessing.

    Returns:
        Largest difference, in levels of 255.

    Raises:
        BadInput: It is more than rounding.
    """
    pictures = [*golden_pictures(), Image.new("RGB", (31, 500), _FLAT)]
    levels = to_tensor(pictures, pixels.ours).astype(np.float32) / 255
    deviation = np.array(pixels.deviation, np.float32)
    found = levels.transpose(0, 3, 1, 2)
    wanted = pixels.own(pictures).numpy() * deviation[:, None, None] + np.array(pixels.mean, np.float32)[:, None, None]
    far = float(np.abs(found - wanted).max()) if found.shape == wanted.shape else float("inf")
    if far > _LEVEL:
        raise BadInput(
            f"the model prepares pictures in a way that is not known here: its pixels are up to {far * 255:.1f} levels"
            " away"
        )
    return round(far * 255, 2)


def _part(size: Any, name: str) -> int:
    """Read an entry of a SizeDict (transformers 5) or a dictionary (4). 0 if it is missing."""
    return int((size.get(name) if isinstance(size, dict) else getattr(size, name, None)) or 0)


def _three(values: Any) -> tuple[float, float, float]:
    one, two, three = (float(value) for value in (values if isinstance(values, (list, tuple)) else [values] * 3))
    return one, two, three
