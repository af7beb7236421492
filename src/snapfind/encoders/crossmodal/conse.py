"""Pictures in the space of texts without training: the mean of the class names that a classifier sees in them.

Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings" (ConSE), arXiv 1312.5650, section 3:
f(x) = 1/Z · sum over the `top` most probable classes t of p(t | x) · s(name of t). The classes are ImageNet's 1,000;
their names are torchvision's (BSD-3-Clause).

What it can do, average precision of plain nouns on phone photos (benchmarks/text_to_photo.py): .55 English, .20
Swedish, .32 Chinese where ImageNet has the class, .04 to .11 where it has not (chance .014). So it is for pictures that
have no text; beside texts it only adds noise (benchmarks/text_to_product.py).
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
    """The 1,000 names, in the order of a classifier's outputs."""
    return (_WEIGHTS / "imagenet_names.txt").read_text("utf-8").splitlines()


class Conse:
    """A bridge from class probabilities to the space of a text encoder.

    Arguments:
        text: encoder of the names and of the queries. Its space is a narrow cone, so both sides are centred on the
            mean of the names: as they are, Swedish queries reach .07 instead of .20.
        top: classes that count, 10 in the paper.

    >>> conse = Conse(TextEncoder())
    >>> conse.bridge(look.posterior) @ conse.texts(["a sour yellow fruit"], role="query").T    # (n, 1)
    """

    def __init__(self, text: Encoder, top: int = 10) -> None:
        if not 1 <= top <= len(class_names()):
            raise BadInput(f"top={top}: give 1 to {len(class_names())} classes; the paper takes 10", field="top")
        self._text, self._top = text, top
        described: dict[str, object] = {"text": text.space.id, "top": top, "centred": True, "names": _fingerprint()}
        identity = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:8]
        self.space = Space(f"conse-{identity}", text.space.dim, "conse", text.space.languages, described)

    def bridge(self, posterior: Vectors) -> Vectors:
        """(n, 1000) float32 probabilities of a picture's classes -> (n, dim) float32, unit rows. Raises BadInput."""
        if posterior.ndim != 2 or posterior.shape[1] != len(self._centred):
            raise BadInput(f"posterior of shape {posterior.shape}: give (n, {len(self._centred)}) probabilities")
        best = np.argpartition(posterior, -self._top, axis=1)[:, -self._top :]
        weights = np.take_along_axis(posterior, best, axis=1)
        # No division by Z: the rows become unit length anyway.
        return unit(np.einsum("nt,ntd->nd", weights, self._centred[best]))

    def texts(self, texts: Sequence[str], role: Role) -> Vectors:
        """(n, dim) float32, unit rows, to be compared with `bridge`."""
        return self.centred(self._text.texts(texts, role))

    def centred(self, encoded: Vectors) -> Vectors:
        """(n, dim) vectors of the text encoder -> the same texts in this space, without encoding them again."""
        return unit(encoded - self.names.mean(axis=0))

    @cached_property
    def names(self) -> Vectors:
        """(1000, dim) unit rows; shipped for the default text encoder, encoded now for any other."""
        with safe_open(_WEIGHTS / "imagenet_names.safetensors", framework="np") as shipped:
            if shipped.metadata()["space"] == self._text.space.id:
                return unit(shipped.get_tensor("names"))
        return self._text.texts(class_names(), role="catalogue")

    @cached_property
    def _centred(self) -> Vectors:
        return unit(self.names - self.names.mean(axis=0))


def _fingerprint() -> str:
    return hashlib.sha256((_WEIGHTS / "imagenet_names.txt").read_bytes()).hexdigest()[:8]
