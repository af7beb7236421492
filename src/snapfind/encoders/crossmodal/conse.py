"""ConSE: map images to the text space without training, as the mean of the names of their ImageNet classes.

Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings" (ConSE), arXiv 1312.5650, section 3:
f(x) = 1/Z · sum over the `top` most probable classes t of p(t | x) · s(name of t). The classes are ImageNet's 1,000;
their names are torchvision's (BSD-3-Clause).

Average precision of plain nouns on phone photos (benchmarks/text_to_photo.py): .55 English, .20
Swedish, .32 Chinese if ImageNet has the class, .04 to .11 if it has not (chance .014). It is meant for products without
text. For products with text it only adds noise (benchmarks/text_to_product.py).
"""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors import safe_open

from snapfind.core.errors import BadInput
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Encoder, Role, Space, Vectors

__all__ = ["Conse", "class_names"]

_WEIGHTS = Path(__file__).parent.parent / "weights"


def class_names() -> list[str]:
    """Return the names of the 1,000 ImageNet classes, in the order of the classifier's outputs."""
    return (_WEIGHTS / "imagenet_names.txt").read_text("utf-8").splitlines()


class Conse:
    """Map class probabilities to the space of a text encoder.

    Args:
        text: Encoder of the names and the queries. Its space is a narrow cone, so both sides are centered on the mean
            of the names. Without centering, Swedish queries reach .07 instead of .20.
        top: Number of most probable classes to use. The paper uses 10.

    Raises:
        BadInput: If `top` is out of range.

    Example:
        >>> conse = Conse(TextEncoder())
        >>> conse.encode_features(features.posterior) @ conse.texts(["a sour yellow fruit"], role="query").T    # (n, 1)
    """

    def __init__(self, text: Encoder, top: int = 10) -> None:
        if not 1 <= top <= len(class_names()):
            raise BadInput(f"top={top} is out of range; give 1 to {len(class_names())}", field="top")
        self._text, self._top = text, top
        described: dict[str, object] = {"text": text.space.id, "top": top, "centered": True, "names": _fingerprint()}
        identity = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:8]
        self.space = Space(f"conse-{identity}", text.space.dim, "conse", text.space.languages, described)

    def encode_features(self, posterior: Vectors) -> Vectors:
        """Map class probabilities to the text space.

        Args:
            posterior: Class probabilities of n images, float32 of shape (n, 1000).

        Returns:
            Unit rows, float32 of shape (n, dim).

        Raises:
            BadInput: If the shape is wrong.
        """
        if posterior.ndim != 2 or posterior.shape[1] != len(self._centered):
            raise BadInput(f"posterior has shape {posterior.shape}; give (n, {len(self._centered)}) probabilities")
        best = np.argpartition(posterior, -self._top, axis=1)[:, -self._top :]
        weights = np.take_along_axis(posterior, best, axis=1)
        # No division by Z: the rows are normalized anyway.
        return unit(np.einsum("nt,ntd->nd", weights, self._centered[best]))

    def texts(self, texts: Sequence[str], role: Role) -> Vectors:
        """Encode n texts as unit rows, float32 of shape (n, dim), to compare with `encode_features`."""
        return self.centered(self._text.texts(texts, role))

    def centered(self, encoded: Vectors) -> Vectors:
        """Map embeddings of the text encoder to this space.

        Args:
            encoded: Embeddings of n texts, shape (n, dim).

        Returns:
            Unit rows, float32 of shape (n, dim).
        """
        return unit(encoded - self.names.mean(axis=0))

    @cached_property
    def names(self) -> Vectors:
        """Embeddings of the class names, unit rows of shape (1000, dim). Bundled for the default text encoder."""
        with safe_open(_WEIGHTS / "imagenet_names.safetensors", framework="np") as shipped:
            if shipped.metadata()["space"] == self._text.space.id:
                return unit(shipped.get_tensor("names"))
        return self._text.texts(class_names(), role="document")

    @cached_property
    def _centered(self) -> Vectors:
        return unit(self.names - self.names.mean(axis=0))


def _fingerprint() -> str:
    return hashlib.sha256((_WEIGHTS / "imagenet_names.txt").read_bytes()).hexdigest()[:8]
