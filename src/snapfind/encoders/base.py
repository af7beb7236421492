"""Protocol of encoders: images and texts to embeddings of one space."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

__all__ = ["Encoder", "Role", "SignalEncoder", "Space", "Vectors", "space_id"]

Role = Literal["query", "document"]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Space:
    """Embedding space: encoder, adapter and preprocessing. Embeddings of two spaces are never compared.

    Attributes:
        id: Name and hash of the encoder, the adapter and the preprocessing.
        dim: Dimensions of the embeddings.
        encoder: Name of the encoder.
        languages: Codes of the languages that a text encoder supports.
        preprocessing: What happens to an input before the network.
    """

    id: str
    dim: int
    encoder: str
    languages: tuple[str, ...] = ()
    preprocessing: dict[str, object] = field(default_factory=dict, hash=False)


class Encoder(Protocol):
    """Maps images and texts to unit vectors of one space. The two roles may use different transforms.

    Example:
        >>> vectors = encoder.images([photo], role="query")      # (1, space.dim) float32, unit rows
    """

    space: Space

    def images(self, images: Sequence[Image], role: Role) -> Vectors:
        """Encode images.

        Args:
            images: n upright RGB images of any size.
            role: "query" for shopper photos, "document" for product pictures.

        Returns:
            Unit rows, float32 of shape (n, dim).
        """
        ...

    def texts(self, texts: Sequence[str], role: Role) -> Vectors:
        """Encode texts.

        Args:
            texts: n texts.
            role: "query" for what shoppers type, "document" for texts of products.

        Returns:
            Unit rows, float32 of shape (n, dim).

        Raises:
            NoText: If the encoder has no text side.
        """
        ...


class SignalEncoder(Protocol):
    """Encoder of a registered signal (search/signals.py). Each side takes the modality that the signal declares."""

    space: Space

    def encode_query(self, items: Sequence[Any]) -> Vectors:
        """Encode queries.

        Args:
            items: n upright RGB images, or n texts.

        Returns:
            Unit rows, float32 of shape (n, dim).
        """
        ...

    def encode_document(self, items: Sequence[Any]) -> Vectors:
        """Encode product pictures or product texts.

        Args:
            items: n upright RGB images, or n texts.

        Returns:
            Unit rows, float32 of shape (n, dim).
        """
        ...


def space_id(name: str, *parts: object) -> str:
    """Build the id of a space.

    Args:
        name: Readable prefix.
        parts: JSON values of everything that changes an embedding.

    Returns:
        The name with a hash of 8 hexadecimal digits.
    """
    content = json.dumps(parts, sort_keys=True)
    return f"{name}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
