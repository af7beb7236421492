"""Text tower of a converted encoder, in ONNX Runtime and `tokenizers`.

The tokenizer.json of the artifact defines normalization, tokens, truncation and padding. No code of the model runs.
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

_BATCH = 16  # small batches let other threads run in between
_LENGTH = 2048  # characters: far more than the context of any tower; bounds the work of the tokenizer


class WordTower:
    """Text encoder whose embeddings are compared with images. Thread-safe.

    Example:
        >>> words.texts(["a red mug"], role="query").shape
        (1, 512)
    """

    def __init__(self, session: "InferenceSession", tokenizer: "Tokenizer", space: Space) -> None:
        self._session, self._tokenizer, self.space = session, tokenizer, space
        self._masked = any(item.name == "mask" for item in session.get_inputs())

    @classmethod
    def load(cls, files: Mapping[str, bytes], space: Space, threads: int) -> "WordTower":
        """Load a text tower.

        Args:
            files: Contents of text.onnx and tokenizer.json.
            space: Space of the embeddings.
            threads: Number of threads. 0 uses one for each core that this process may use.

        Returns:
            The text encoder.

        Raises:
            ModelBroken: If a file cannot be read.
            ExtraMissing: If tokenizers is not installed.
        """
        return cls(open_session(files["text.onnx"], threads), read_tokenizer(files["tokenizer.json"]), space)

    def ids(self, texts: Sequence[str]) -> dict[str, NDArray[np.int64]]:
        """Tokenize texts.

        Args:
            texts: n texts.

        Returns:
            `ids` of shape (n, length), and `mask` of the same shape if the tower reads one. The mask is 0 for padding.
        """
        encoded = self._tokenizer.encode_batch([text[:_LENGTH] for text in texts])
        inputs = {"ids": np.array([item.ids for item in encoded], np.int64)}
        if self._masked:
            inputs["mask"] = np.array([item.attention_mask for item in encoded], np.int64)
        return inputs

    def texts(self, texts: Sequence[str], role: Role) -> Vectors:
        """Encode texts. A text that exceeds the context of the tower is truncated.

        Args:
            texts: n texts.
            role: Role of the texts. Both roles are encoded in the same way.

        Returns:
            Unit rows, float32 of shape (n, dim).
        """
        rows = [self._session.run(None, self.ids(texts[at : at + _BATCH]))[0] for at in range(0, len(texts), _BATCH)]
        return unit(np.concatenate(rows)) if rows else np.empty((0, self.space.dim), np.float32)

    def images(self, images: Sequence[Image], role: Role) -> NoReturn:
        """Refuse images.

        Raises:
            BadInput: Always.
        """
        raise BadInput("the text tower takes no pictures; give them to the picture tower")


def read_tokenizer(content: bytes) -> "Tokenizer":
    """Parse a tokenizer.

    Args:
        content: Content of a tokenizer.json.

    Returns:
        The tokenizer.

    Raises:
        ModelBroken: If the content is invalid.
        ExtraMissing: If tokenizers is not installed.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise ExtraMissing.of("a text tower needs the package tokenizers", "towers") from None
    try:
        return Tokenizer.from_str(content.decode())
    except Exception as problem:
        raise ModelBroken(f"tokenizer.json cannot be read ({str(problem)[:200]}); convert the model again") from problem
