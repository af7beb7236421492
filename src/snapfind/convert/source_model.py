"""A model as its own library reads it: what every reader returns and every step of a conversion takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image
from tokenizers import Tokenizer
from torch import Tensor, nn

from snapfind.encoders.image.preprocess import Preprocessing

__all__ = ["Original", "Pixels", "Words"]


@dataclass(frozen=True)
class Pixels:
    """How the model takes pictures: `ours` and the levels' `mean` and `deviation` (0..1), as read from its files.

    `own` is the library's processor, pictures -> (n, 3, side, side) float32: what `ours` is held against.
    """

    ours: Preprocessing
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    own: Callable[[Sequence[Image]], Tensor]


@dataclass(frozen=True)
class Words:
    """The text tower: `module`(ids) or, where `masked`, `module`(ids, mask) -> (n, width).

    `tokenizer` cuts and pads by itself: to `length` ids where `padded`, else to the longest text of a batch. `own` is
    the library's tokenizer, texts -> (n, length) ids padded to the end: what `tokenizer` is held against.
    """

    module: nn.Module
    tokenizer: Tokenizer
    own: Callable[[Sequence[str]], NDArray[np.int64]]
    length: int
    padded: bool
    masked: bool


@dataclass(frozen=True)
class Original:
    """`picture`: (n, 3, side, side) normalized levels -> (n, width); `kind` such as "transformers clip"."""

    name: str
    kind: str
    picture: nn.Module
    pixels: Pixels
    words: Words | None
