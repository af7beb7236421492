"""Geometric reranker: matches local features of the photo and of the candidate's picture.

Cells of the feature map that are mutual nearest neighbors are matched. Each match votes for a translation at each of a
few scales (Hough voting of local features, Lowe 2004, section 7.3, without rotation). The matches of the bin with the
most votes are consistent. There is no training.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from snapfind.encoders.base import Vectors
from snapfind.encoders.image.base import PhotoEncoder
from snapfind.search.rerank.base import Compared, RerankConfig

__all__ = ["Geometry", "Parts", "agreement", "parts_of"]

_SCALES = (0.5, 0.71, 1.0, 1.41, 2.0)
_BIN = 1 / 7  # of the picture's side: one cell of the last map, two of the finer
_Places = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Parts:
    """Local features: cells of an image that differ from its mean.

    Attributes:
        vectors: Unit rows, shape (n, c).
        places: Row and column of the cell centers, 0..1 of the padded square, shape (n, 2).
    """

    vectors: Vectors
    places: _Places


class Geometry:
    """Reranker by matched cells.

    The score of a picture is the mean cosine of the photo's cells with a consistent match, where other cells count 0.
    A chunk is ordered by the number of cells that match a picture best.
    """

    def __init__(self, encoder: PhotoEncoder, config: RerankConfig) -> None:
        self.encoder, self.config = encoder, config

    def compare(self, photo: Image, pictures: Sequence[Image]) -> Compared:
        """Compare a photo with at most `CHUNK` pictures. Each image costs one pass of the network.

        Args:
            photo: Searched part of the photo.
            pictures: Product pictures.

        Returns:
            Their order and scores.
        """
        parts = parts_of(photo, self.encoder)
        votes = [agreement(parts, parts_of(picture, self.encoder)) for picture in pictures]
        return compared(np.stack(votes)) if votes else Compared((), ())


def compared(votes: NDArray[np.float64]) -> Compared:
    """Order and score pictures by their matches. Ties in wins are broken by score, then by position.

    Args:
        votes: Cosines of consistent matches, 0..1, shape (pictures, cells of the photo).

    Returns:
        Order and scores of the pictures.
    """
    scores = votes.mean(axis=1) if votes.shape[1] else np.zeros(len(votes))
    best = votes.max(axis=0, initial=0.0)
    wins = ((votes == best) & (best > 0)).sum(axis=1)
    order = np.lexsort((np.arange(len(votes)), -scores, -wins))
    return Compared(order.tolist(), scores.tolist())


def parts_of(image: Image, encoder: PhotoEncoder) -> Parts:
    """Extract the cells that differ from the mean of an image by more than average.

    This drops plain background and padding, which match in any two studio pictures.

    Args:
        image: Image of any size.
        encoder: Encoder with a feature map.

    Returns:
        The local features.
    """
    cells = encoder.extract_feature_map(image).cells
    rows, columns = cells.shape[1:]
    flat = cells.reshape(len(cells), -1).T
    flat = flat - flat.mean(axis=0)
    length = np.linalg.norm(flat, axis=1)
    mask = length > max(float(length.mean()), 1e-6)
    places = np.stack(np.divmod(np.arange(rows * columns), columns), axis=1) + 0.5
    return Parts(flat[mask] / length[mask, None], places[mask] / (rows, columns))


def agreement(photo: Parts, picture: Parts) -> NDArray[np.float64]:
    """Match the cells of a photo with those of a picture.

    Args:
        photo: Local features of the photo, n cells.
        picture: Local features of the picture.

    Returns:
        Cosine 0..1 of the consistent match of each cell, 0 for cells without one, shape (n,).
    """
    cosines_of_matches = np.zeros(len(photo.vectors))
    if not len(photo.vectors) or not len(picture.vectors):
        return cosines_of_matches
    cosines = photo.vectors @ picture.vectors.T
    there, back = cosines.argmax(axis=1), cosines.argmax(axis=0)
    mutual = np.flatnonzero(back[there] == np.arange(len(there)))
    weights = np.clip(cosines[mutual, there[mutual]].astype(np.float64), 0, 1)
    consistent = _vote(photo.places[mutual], picture.places[there[mutual]], weights)
    cosines_of_matches[mutual[consistent]] = weights[consistent]
    return cosines_of_matches


def _vote(start: _Places, end: _Places, weights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which matches lie in the bin with the highest vote, over all scales. A bin is centered on each match."""
    best, chosen = -1.0, np.zeros(len(weights), bool)
    for scale in _SCALES:
        shifts = end - 0.5 - scale * (start - 0.5)
        near = np.abs(shifts[:, None] - shifts[None]).max(axis=2) <= _BIN / 2
        heavy = near @ weights
        at = int(heavy.argmax())
        if heavy[at] > best + 1e-9:
            best, chosen = float(heavy[at]), near[at]
    return chosen
