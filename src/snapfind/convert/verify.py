"""Compare converted encoders with PyTorch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL.Image import Image

from snapfind.convert.source_model import Original
from snapfind.convert.tokenizer import SAMPLES
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Vectors
from snapfind.encoders.golden import golden_pictures
from snapfind.encoders.image.onnx_tower import Tower

__all__ = ["Agreement", "agreement", "pictures_by_torch"]

Progress = Callable[[int, int], None]
_BATCH = 8


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of an artifact with PyTorch.

    Attributes:
        pictures: Smallest cosine over the golden pictures.
        texts: Smallest cosine over sample texts. 1 without a text encoder.
        pixels_off: Largest difference from the pixels of the library's own processor, in levels of 255.
    """

    pictures: float
    texts: float
    pixels_off: float


def agreement(original: Original, tower: Tower, *, pixels_off: float = 0.0) -> Agreement:
    """Compare an artifact with the library's own preprocessing and model.

    Args:
        original: The model.
        tower: Its artifact.
        pixels_off: Difference of the pixels, which `check_pixels` measured.

    Returns:
        The agreement.
    """
    pictures = golden_pictures()
    seen = _least(pictures_by_torch(original, pictures), unit(tower.extract_features(pictures).pooled))
    read = 1.0
    if original.words is not None and tower.words is not None:
        read = _least(_texts_by_torch(original, SAMPLES), tower.words.texts(SAMPLES, "query"))
    return Agreement(seen, read, pixels_off)


def pictures_by_torch(original: Original, images: Sequence[Image], progress: Progress | None = None) -> Vectors:
    """Encode pictures with PyTorch and the library's own processor.

    Args:
        original: The model.
        images: n pictures.
        progress: Called with the number of finished pictures and n.

    Returns:
        Unit rows, float32 of shape (n, width).
    """
    rows = []
    with torch.inference_mode():
        for at in range(0, len(images), _BATCH):
            part = [image.convert("RGB") for image in images[at : at + _BATCH]]
            rows.append(original.picture(original.pixels.own(part)).numpy())
            if progress:
                progress(at + len(part), len(images))
    return unit(np.concatenate(rows))


def _texts_by_torch(original: Original, texts: Sequence[str]) -> Vectors:
    """Encode texts with PyTorch and the library's own tokenizer as unit rows of shape (n, width)."""
    words = original.words
    assert words is not None
    ids = torch.from_numpy(words.own(texts))
    mask = torch.tensor(
        [[place < len(words.tokenizer.encode(text).ids) for place in range(ids.shape[1])] for text in texts]
    )
    with torch.inference_mode():
        return unit((words.module(ids, mask.long()) if words.masked else words.module(ids)).numpy())


def _least(one: Vectors, other: Vectors) -> float:
    return float((one * other).sum(axis=1).min())
