"""Heat maps of the regions that make a photo and a product picture similar.

An embedding is a weighted mean of the cells of the feature map, and the adapter is affine. The similarity of two
images is therefore a sum over the cells of either image, and the contribution of each cell is exact (Stylianou,
Souvenir, Pless, "Visualizing Deep Similarity Networks", arXiv 1901.00536).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from snapfind.core.errors import BadInput
from snapfind.encoders.base import Vectors
from snapfind.encoders.image.base import FeatureMap, PhotoEncoder

__all__ = ["Explanation", "explain"]

Heat = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Heat maps of a photo and of a product picture.

    Attributes:
        photo: Contributions of the photo's cells, float32 of shape (rows, columns), 0..1.
        picture: Contributions of the picture's cells, float32 of shape (rows, columns), 0..1.
    """

    photo: Heat
    picture: Heat


def explain(photo: Image, picture: Image, encoder: PhotoEncoder) -> Explanation:
    """Compute which cells of two images contribute to their similarity.

    Args:
        photo: Photo, cropped to the searched box.
        picture: Picture of the product.
        encoder: Encoder of the space that was searched.

    Returns:
        One heat map for each image.

    Raises:
        BadInput: If the encoder has no feature map.
    """
    if not encoder.shows_cells:
        raise BadInput(f"encoder {encoder.name} has no feature map, so its hits cannot be explained; use another model")
    of_photo, of_picture = encoder.extract_feature_map(photo), encoder.extract_feature_map(picture)
    query = encoder.project(of_photo.features, "query")[0]
    document = encoder.project(of_picture.features, "document")[0]
    return Explanation(
        _heat(of_photo, encoder.toward(document, "query"), photo.size),
        _heat(of_picture, encoder.toward(query, "document"), picture.size),
    )


def _heat(feature_map: FeatureMap, direction: Vectors, size: tuple[int, int]) -> Heat:
    """Return the positive contributions of the cells over the image, without padding, scaled to a maximum of 1."""
    contributions = np.maximum(np.einsum("chw,c->hw", feature_map.activations, direction), 0)
    side = contributions.shape[0]
    across, down = (max(1, round(side * length / max(size))) for length in size)
    left, top = (side - across) // 2, (side - down) // 2
    heat: Heat = contributions[top : top + down, left : left + across].astype(np.float32)
    highest = float(heat.max())
    return heat / np.float32(highest) if highest > 0 else heat
