"""Value types of a model that is converted. Each reader returns them."""

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
    """Preprocessing of pictures.

    Attributes:
        ours: Our equivalent of the preprocessing.
        mean: Mean of each channel, 0..1.
        deviation: Standard deviation of each channel, 0..1.
        own: The library's own processor: pictures -> float32 of shape (n, 3, side, side). `ours` is compared with it.
    """

    ours: Preprocessing
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    own: Callable[[Sequence[Image]], Tensor]


@dataclass(frozen=True)
class Words:
    """Text encoder.

    Attributes:
        module: ids -> (n, width), or ids, mask -> (n, width) if `masked`.
        tokenizer: Truncates and pads texts: to `length` if `padded`, else to the longest text of a batch.
        own: The library's own tokenizer: texts -> ids of shape (n, length). `tokenizer` is compared with it.
        length: Largest number of tokens.
        padded: Whether texts are padded to `length`.
        masked: Whether the module takes an attention mask.
    """

    module: nn.Module
    tokenizer: Tokenizer
    own: Callable[[Sequence[str]], NDArray[np.int64]]
    length: int
    padded: bool
    masked: bool


@dataclass(frozen=True)
class Original:
    """A model as its own library reads it.

    Attributes:
        name: Name of the model.
        kind: Library and type, such as "transformers clip".
        picture: Image encoder: normalized pixels of shape (n, 3, side, side) -> (n, width).
        pixels: Preprocessing of pictures.
        words: Text encoder, or None.
    """

    name: str
    kind: str
    picture: nn.Module
    pixels: Pixels
    words: Words | None
