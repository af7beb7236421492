"""Base class of image encoders: maps features to embeddings, with or without an adapter."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from PIL.Image import Image

from snapfind.core.errors import ModelBroken, NoText
from snapfind.encoders.adapter import Adapter
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Role, Space, Vectors, space_id
from snapfind.encoders.image.base import FeatureMap, Features

__all__ = ["ImageEncoder", "source_of"]


class ImageEncoder(ABC):
    """The part of a PhotoEncoder that maps features to embeddings. Subclasses extract the features.

    Args:
        raw: Space of the features.
        adapter: Adapter of the encoder, or None.
        parts: JSON values that name the adapted space, together with the adapter's weights.

    Raises:
        ModelBroken: If the adapter was fitted on another network.
    """

    def __init__(self, raw: Space, adapter: Adapter | None, *parts: object) -> None:
        self.raw_id, self.space, self._adapter = raw.id, raw, adapter
        if adapter is not None:
            if adapter.encoder != raw.id:
                raise ModelBroken(f"the adapter was fitted on {adapter.encoder}, this is {raw.id}; fit it again")
            self.space = replace(raw, id=space_id(raw.encoder, *parts, adapter.identity), dim=adapter.dim)

    @abstractmethod
    def extract_features(self, images: Sequence[Image]) -> Features:
        """Run the network on n upright images of any size."""

    def project(self, features: Features, role: Role) -> Vectors:
        """Map features of n images to unit rows of this encoder's space, float32 of shape (n, dim)."""
        return unit(features.pooled) if self._adapter is None else self._adapter.project(features.pooled, role)

    def toward(self, vector: Vectors, role: Role) -> Vectors:
        """Find the feature direction, shape (width,), that increases the similarity to an embedding of shape (dim,)."""
        if self._adapter is None:
            return vector
        direction: Vectors = self._adapter.weights[f"{role}_matrix"] @ vector
        return direction

    def images(self, images: Sequence[Image], role: Role) -> Vectors:
        """Encode n upright images of any size as unit rows, float32 of shape (n, dim)."""
        return self.project(self.extract_features(images), role)

    def texts(self, texts: Sequence[str], role: Role) -> Vectors:
        """Refuse texts. Encoders with a text tower override it.

        Raises:
            NoText: Always.
        """
        raise NoText(f"encoder {self.raw_id} has no text side")

    def extract_feature_map(self, image: Image) -> FeatureMap:
        """Run the network on one image without maps, for an encoder whose features have no cells."""
        nothing = np.zeros((0, 0, 0), np.float32)
        return FeatureMap(self.extract_features([image]), nothing, nothing)


def source_of(manifest: Mapping[str, object]) -> str:
    """Read the sha256 of the model files that an artifact was made of. Empty for the bundled network."""
    source = manifest.get("source")
    return str(source.get("sha256", "")) if isinstance(source, Mapping) else ""
