"""The Encoder port: pictures and texts in, unit vectors of one space out."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

__all__ = ["Encoder", "Role", "Space", "Vectors", "space_id"]

Role = Literal["query", "catalogue"]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Space:
    """Encoder + adapter + preprocessing. `id` is a name and the hash of all three; vectors of two spaces never mix."""

    id: str
    dim: int
    encoder: str
    languages: tuple[str, ...] = ()
    preprocessing: dict[str, object] = field(default_factory=dict, hash=False)


class Encoder(Protocol):
    """Turns pictures and texts into unit vectors of one space; the two roles may differ in their transform.

    >>> vectors = encoder.images([photo], role="query")      # (1, space.dim) float32, unit rows
    """

    space: Space

    def images(self, images: Sequence[Image], role: Role) -> Vectors:
        """RGB pictures, displayed upright, of any size -> (n, dim) float32, unit rows."""
        ...

    def texts(self, texts: Sequence[str], role: Role) -> Vectors:
        """(n, dim) float32, unit rows. Raises NoText where the encoder has no text side."""
        ...


def space_id(name: str, *parts: object) -> str:
    """A name and the hash of all that changes a vector."""
    told = json.dumps(parts, sort_keys=True)
    return f"{name}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"
