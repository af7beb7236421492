"""Which parts of a photo and of a catalogue picture made them alike.

The vector of a picture is a weighted mean of its cells, and an adapter is linear: so the similarity of two pictures is
a sum over the cells of either, and each cell's summand is exact, not a guess (Stylianou, Souvenir, Pless, "Visualizing
Deep Similarity Networks", arXiv 1901.00536).
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
    """Heat 0..1, float32 (rows, columns) over the searched part of the `photo` and over the `picture`."""

    photo: Heat
    picture: Heat


def explain(photo: Image, picture: Image, encoder: PhotoEncoder) -> Explanation:
    """What in the photo (cut to the box that was searched) looks like the picture, and what in the picture like it.

    Raises BadInput for an encoder that shows no cells.
    """
    if not encoder.shows_cells:
        raise BadInput(f"{encoder.name} shows no cells of a picture, so nothing tells what made two alike")
    seen, kept = encoder.extract_feature_map(photo), encoder.extract_feature_map(picture)
    query, row = encoder.project(seen.features, "query")[0], encoder.project(kept.features, "catalogue")[0]
    return Explanation(
        _heat(seen, encoder.toward(row, "query"), photo.size),
        _heat(kept, encoder.toward(query, "catalogue"), picture.size),
    )


def _heat(seen: FeatureMap, direction: Vectors, size: tuple[int, int]) -> Heat:
    """The summands of the cells over the picture, without the padding; those below 0 count as 0."""
    parts = np.maximum(np.einsum("chw,c->hw", seen.activations, direction), 0)
    side = parts.shape[0]
    across, down = (max(1, round(side * part / max(size))) for part in size)
    left, top = (side - across) // 2, (side - down) // 2
    over: Heat = parts[top : top + down, left : left + across].astype(np.float32)
    most = float(over.max())
    return over / np.float32(most) if most > 0 else over
