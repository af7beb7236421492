"""What comes behind a look, for every encoder of pictures: the network's features as they are, or by an adapter."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from PIL.Image import Image

from snapfind.core.errors import ModelBroken
from snapfind.encoders.adapter import Adapter
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Role, Space, Vectors, space_id
from snapfind.encoders.image.base import Features

__all__ = ["Adapted"]


class Adapted(ABC):
    """The half of a PhotoEncoder that makes vectors of looks; the other half makes the looks.

    `raw` is the space of the features; `parts` and the adapter's weights name that of an adapter. Raises ModelBroken
    on an adapter that was fitted on another network.
    """

    def __init__(self, raw: Space, adapter: Adapter | None, *parts: object) -> None:
        self.raw_id, self.space, self._adapter = raw.id, raw, adapter
        if adapter is not None:
            if adapter.encoder != raw.id:
                raise ModelBroken(f"the adapter was fitted on {adapter.encoder}, this is {raw.id}: fit it anew")
            self.space = replace(raw, id=space_id(raw.encoder, *parts, adapter.identity), dim=adapter.dim)

    @abstractmethod
    def extract_features(self, images: Sequence[Image]) -> Features:
        """Upright pictures of any size -> what the network sees in them, row by row."""

    def project(self, features: Features, role: Role) -> Vectors:
        """Looks -> (n, dim) float32, unit rows, of this encoder's space."""
        return unit(features.pooled) if self._adapter is None else self._adapter.project(features.pooled, role)

    def toward(self, vector: Vectors, role: Role) -> Vectors:
        """(dim,) vector of this space -> (width,) direction in which a feature of that role moves towards it."""
        if self._adapter is None:
            return vector
        direction: Vectors = self._adapter.weights[f"{role}_matrix"] @ vector
        return direction

    def images(self, images: Sequence[Image], role: Role) -> Vectors:
        """Upright pictures of any size -> (n, dim) float32, unit rows."""
        return self.project(self.extract_features(images), role)
