"""Texts into the space of a shop's own pictures: the text tower of its model, in ONNX Runtime and `tokenizers`.

The artifact's tokenizer.json says everything about a text on its way to ids: case, pieces, where it is cut, how it is
padded. Nothing of a model's own code runs.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from snapfind.core.errors import BadInput, ExtraMissing, ModelBroken
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Role, Space, Vectors
from snapfind.encoders.onnx_session import open_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

__all__ = ["WordTower", "read_tokenizer"]

_BATCH = 16  # texts between two chances for another thread
_LENGTH = 2048  # characters: far more than any tower's window, and a bound for the tokenizer


class WordTower:
    """An Encoder of texts whose rows are compared with pictures. Safe to use from several threads at once.

    >>> words.texts(["a red mug"], role="query").shape
    (1, 512)
    """

    def __init__(self, session: "InferenceSession", tokenizer: "Tokenizer", space: Space) -> None:
        self._session, self._tokenizer, self.space = session, tokenizer, space
        self._masked = any(given.name == "mask" for given in session.get_inputs())

    @classmethod
    def load(cls, files: Mapping[str, bytes], space: Space, threads: int) -> "WordTower":
        """From the contents of text.onnx and tokenizer.json. Raises ModelBroken, ExtraMissing without tokenizers."""
        return cls(open_session(files["text.onnx"], threads), read_tokenizer(files["tokenizer.json"]), space)

    def ids(self, texts: Sequence[str]) -> dict[str, NDArray[np.int64]]:
        """Texts -> `ids` (n, length) and, where the tower reads one, `mask` of the same shape, 0 over padding."""
        encoded = self._tokenizer.encode_batch([text[:_LENGTH] for text in texts])
        found = {"ids": np.array([one.ids for one in encoded], np.int64)}
        if self._masked:
            found["mask"] = np.array([one.attention_mask for one in encoded], np.int64)
        return found

    def texts(self, texts: Sequence[str], role: Role) -> Vectors:
        """(n, dim) float32, unit rows; both roles are one. What does not fit into the tower's window is cut off."""
        rows = [self._session.run(None, self.ids(texts[at : at + _BATCH]))[0] for at in range(0, len(texts), _BATCH)]
        return unit(np.concatenate(rows)) if rows else np.empty((0, self.space.dim), np.float32)

    def images(self, images: Sequence[Image], role: Role) -> NoReturn:
        """Raises BadInput: pictures go to the other tower."""
        raise BadInput("the text tower takes no pictures; give them to the picture tower")


def read_tokenizer(content: bytes) -> "Tokenizer":
    """From the content of a tokenizer.json. Raises ModelBroken, and ExtraMissing where tokenizers is not installed."""
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise ExtraMissing.of("a text tower needs the package tokenizers", "towers") from None
    try:
        return Tokenizer.from_str(content.decode())
    except Exception as problem:
        raise ModelBroken(f"tokenizer.json cannot be read ({str(problem)[:200]}); convert the model anew") from problem
