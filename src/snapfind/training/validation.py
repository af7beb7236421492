"""How good an encoder in training is: photos held out ask for their studio pictures, in the two roles."""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Vectors
from snapfind.search.calibration import Calibration, calibration_features
from snapfind.search.calibration import fit as fit_calibration
from snapfind.training.data.augmentation import Shown
from snapfind.training.data.feature_cache import Live, Maps

__all__ = ["Judge", "Sided", "features_of", "held_out"]

_HELD = 10  # one photo in so many is held out, of products with at least five; of all where none has five
_RANKED = 10  # hits of each photo that calibrate


@runtime_checkable
class Sided(Protocol):
    """Whatever makes unit rows of photos and of catalogue pictures: what every method leaves behind."""

    def vectors(self, seen: Tensor, *, query: bool, batch: int = 64) -> Tensor:
        """(n, …) as its body takes them -> (n, dim) unit rows in one role."""
        ...


def held_out(shown: Sequence[Shown]) -> NDArray[np.bool_]:
    """Of the photos of each product every tenth, beginning with the fifth; where none has five, of all the photos."""
    photos = [place for place, one in enumerate(shown) if one.how == "photo"]
    seen: Counter[int] = Counter()
    held = np.zeros(len(shown), bool)
    for place in photos:
        seen[shown[place].product] += 1
        held[place] = seen[shown[place].product] % _HELD == _HELD // 2
    if not held.any():
        held[photos[_HELD // 2 - 1 :: _HELD]] = True
    return held


class Judge:
    """Asks with the photos held out for their studio pictures, in the two roles.

    Where no photo is there to be held out, with the first rephotograph of each picture, which training never sees.
    """

    def __init__(self, source: Maps | Live, held: NDArray[np.bool_]) -> None:
        self.source = source
        self.photos, self.studio = np.flatnonzero(held), np.flatnonzero(~source.queries)

    def raw(self, body: nn.Module) -> float:
        """fine@1 of the encoder as it was."""
        return self.right(*(features_of(body, self.source, rows, 0) for rows in (self.photos, self.studio)))

    def score(self, module: nn.Module | Sided) -> float:
        """fine@1: part of the photos whose nearest studio picture is of their product."""
        return self.right(*self._vectors(module))

    def right(self, photos: Vectors, pictures: Vectors) -> float:
        """fine@1 of unit rows of the photos against unit rows of the studio pictures."""
        nearest = self.studio[(photos @ pictures.T).argmax(axis=1)]
        return round(float((self.source.products[nearest] == self.source.products[self.photos]).mean()), 4)

    def calibration(self, module: nn.Module | Sided) -> tuple[float, ...]:
        """Weights that turn the cosines of the learnt space into probabilities (search/calibration.py)."""
        photos, pictures = self._vectors(module)
        cosines = (photos @ pictures.T).astype(np.float64)
        order = np.argsort(-cosines, axis=1)[:, :_RANKED]
        right = self.source.products[self.studio][order] == self.source.products[self.photos][:, None]
        ranked = np.take_along_axis(cosines, order, axis=1)
        features = np.concatenate([calibration_features(row.tolist()) for row in ranked])
        return fit_calibration(features, right.ravel(), Calibration.fitted()).photo

    def _vectors(self, module: nn.Module | Sided) -> tuple[Vectors, Vectors]:
        assert isinstance(module, Sided)
        sides = []
        for rows, query in ((self.photos, True), (self.studio, False)):
            parts = [rows[at : at + 64] for at in range(0, len(rows), 64)]
            seen = (self.source.batch(part, np.zeros_like(part)) for part in parts)
            sides.append(np.concatenate([module.vectors(own, query=query).cpu().numpy() for own in seen]))
        return sides[0], sides[1]


@torch.no_grad()
def features_of(body: nn.Module, source: Maps | Live, rows: NDArray[np.int64], view: int) -> Vectors:
    """(n, width) unit rows of a view of those pictures, before anything is learnt."""
    parts = [rows[at : at + 64] for at in range(0, len(rows), 64)]
    device = next((own.device for own in body.parameters()), torch.device("cpu"))
    seen = (source.batch(part, np.full_like(part, view)).to(device) for part in parts)
    return unit(np.concatenate([body(own).cpu().numpy() for own in seen]))
