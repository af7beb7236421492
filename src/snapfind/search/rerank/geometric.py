"""A light reranker: do the parts of the photo lie in the candidate's picture as they lie in the photo?

Cells of the encoder's inner map that are each other's nearest are matched; each match votes for a shift under each of
a few scales (Hough voting of local features, Lowe 2004, section 7.3, without turns), and the matches of the best cell
of the vote are those that agree. Nothing is learnt.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from snapfind.encoders.base import Vectors
from snapfind.encoders.image.base import PhotoEncoder
from snapfind.search.rerank.base import Compared, Plan

__all__ = ["Geometry", "Parts", "agreement", "parts_of"]

_SCALES = (0.5, 0.71, 1.0, 1.41, 2.0)
_BIN = 1 / 7  # of the picture's side: one cell of the last map, two of the finer
_Places = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Parts:
    """The cells of a picture that differ from its mean: `vectors` (n, c) unit rows; `places` (n, 2) row and column of
    their middles, 0..1 of the padded square.
    """

    vectors: Vectors
    places: _Places


class Geometry:
    """A Reranker by matched cells. The score of a picture is the share of the photo's cells that found a place in it
    and agree, each counted by its cosine; a chunk is ordered by the cells that each picture wins against the others.
    """

    def __init__(self, encoder: PhotoEncoder, plan: Plan) -> None:
        self.encoder, self.plan = encoder, plan

    def compare(self, photo: Image, pictures: Sequence[Image]) -> Compared:
        """At most CHUNK pictures; each costs one pass of the network."""
        seen = parts_of(photo, self.encoder)
        votes = [agreement(seen, parts_of(picture, self.encoder)) for picture in pictures]
        return compared(np.stack(votes)) if votes else Compared((), ())


def compared(votes: NDArray[np.float64]) -> Compared:
    """From (pictures, cells of the photo) agreeing cosines 0..1. Of equal wins the higher score is first, then the
    earlier place.
    """
    scores = votes.mean(axis=1) if votes.shape[1] else np.zeros(len(votes))
    best = votes.max(axis=0, initial=0.0)
    wins = ((votes == best) & (best > 0)).sum(axis=1)
    order = np.lexsort((np.arange(len(votes)), -scores, -wins))
    return Compared(order.tolist(), scores.tolist())


def parts_of(image: Image, encoder: PhotoEncoder) -> Parts:
    """The cells of a picture, of any size, that stand out from its mean by more than the mean cell does.

    Plain ground and padding fall away: they match each other in any two studio pictures.
    """
    cells = encoder.extract_feature_map(image).cells
    rows, columns = cells.shape[1:]
    flat = cells.reshape(len(cells), -1).T
    flat = flat - flat.mean(axis=0)
    length = np.linalg.norm(flat, axis=1)
    kept = length > max(float(length.mean()), 1e-6)
    places = np.stack(np.divmod(np.arange(rows * columns), columns), axis=1) + 0.5
    return Parts(flat[kept] / length[kept, None], places[kept] / (rows, columns))


def agreement(photo: Parts, picture: Parts) -> NDArray[np.float64]:
    """(cells of the photo,) cosine 0..1 of each cell's match where it agrees with the most, 0 where not."""
    agreed = np.zeros(len(photo.vectors))
    if not len(photo.vectors) or not len(picture.vectors):
        return agreed
    cosines = photo.vectors @ picture.vectors.T
    there, back = cosines.argmax(axis=1), cosines.argmax(axis=0)
    mutual = np.flatnonzero(back[there] == np.arange(len(there)))
    weights = np.clip(cosines[mutual, there[mutual]].astype(np.float64), 0, 1)
    chosen = _vote(photo.places[mutual], picture.places[there[mutual]], weights)
    agreed[mutual[chosen]] = weights[chosen]
    return agreed


def _vote(start: _Places, end: _Places, weights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(m,) whether a match is of the heaviest shift, over all scales; each match is the middle of a bin once."""
    best, chosen = -1.0, np.zeros(len(weights), bool)
    for scale in _SCALES:
        shifts = end - 0.5 - scale * (start - 0.5)
        near = np.abs(shifts[:, None] - shifts[None]).max(axis=2) <= _BIN / 2
        heavy = near @ weights
        at = int(heavy.argmax())
        if heavy[at] > best + 1e-9:
            best, chosen = float(heavy[at]), near[at]
    return chosen
