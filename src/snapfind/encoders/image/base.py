"""Protocol of image encoders: the bundled network and converted towers.

`Features` are the outputs of the network. `project` maps them to embeddings of one space, so a catalog can change its
adapter without another pass of the network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL.Image import Image

from snapfind.encoders.adapter import Adapter
from snapfind.encoders.base import Encoder, Role, Space, Vectors
from snapfind.encoders.image.preprocess import Preprocessing

__all__ = ["FeatureMap", "Features", "PhotoEncoder"]


@dataclass(frozen=True, slots=True)
class Features:
    """Outputs of the network for n images.

    Attributes:
        pooled: Pooled features, float32 of shape (n, width).
        posterior: Probabilities of the ImageNet classes, float32 of shape (n, 1000). The shape is (n, 0) for a network
            without a classifier.
    """

    pooled: Vectors
    posterior: Vectors


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """Features of one image and the maps that they are pooled from.

    Both maps cover the padded square of the preprocessing. Both have shape (0, 0, 0) for an encoder without cells.

    Attributes:
        features: The features of the image, with n = 1.
        activations: Last feature map, float32 of shape (width, h, w).
        cells: Finer map of an earlier layer, non-negative float32 of shape (c, 2h, 2w).
    """

    features: Features
    activations: Vectors
    cells: Vectors


class PhotoEncoder(Encoder, Protocol):
    """An image encoder that a catalog can be searched with.

    Attributes:
        name: Name of the encoder, such as "lite0".
        raw_id: Id of its space without an adapter. Encoders with the same `raw_id` share a network.
        space: Space of its embeddings, with the adapter.
        preprocessing: How images become the input of the network.
        knows_classes: Whether the features have a posterior.
        shows_cells: Whether the feature map has cells.
        precision: Precision of the network: "fp32", "fp16" or "int8".
        words: Text encoder into the raw space, or None.
    """

    name: str
    raw_id: str
    space: Space
    preprocessing: Preprocessing
    knows_classes: bool
    shows_cells: bool
    precision: str
    words: Encoder | None

    def extract_features(self, images: Sequence[Image]) -> Features:
        """Run the network on images.

        Args:
            images: n upright images of any size.

        Returns:
            Features with one row for each image.
        """
        ...

    def extract_feature_map(self, image: Image) -> FeatureMap:
        """Run the network on one upright image and keep its feature maps."""
        ...

    def project(self, features: Features, role: Role) -> Vectors:
        """Map features to embeddings of this encoder's space.

        Args:
            features: Features of n images.
            role: "query" for shopper photos, "document" for product pictures.

        Returns:
            Unit rows, float32 of shape (n, dim).
        """
        ...

    def toward(self, vector: Vectors, role: Role) -> Vectors:
        """Find the feature direction that increases the similarity to an embedding.

        Args:
            vector: Embedding of this space, shape (dim,).
            role: Role of the features.

        Returns:
            Direction in feature space, shape (width,).
        """
        ...

    def adapted(self, adapter: Adapter) -> "PhotoEncoder":
        """Build an encoder with an adapter. Both encoders share the network.

        Args:
            adapter: Adapter fitted on this encoder's raw space.

        Returns:
            The encoder in the adapter's space.

        Raises:
            ModelBroken: If the adapter was fitted on another network.
        """
        ...
