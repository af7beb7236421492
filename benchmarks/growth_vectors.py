"""Vectors for as many products as one likes, spread as the encoder spreads real pictures.

Three levels, each measured on real pictures of `train`: categories are Gaussian draws with the covariance of the
centers of the 91 classes of `grocery` and `clothing`, their sizes follow Zipf's law; a product is a real garment's
place in its class, moved along the differences to its neighbors there; pictures of one product differ as photos of
one do, by less. STEP was set so that the local dimension (Levina & Bickel 2004, 20 neighbors) of 3,068 made vectors,
20 with 256 numbers and 23 with 1,280, is not below that of as many real garments, 17 and 21. A query is a photo of a
picture that is there: its cosine with it is drawn from those of real photos with the studio picture of their product,
its direction from the differences of photos of one product.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from snapfind.encoders.arrays import unit

__all__ = ["Rows", "Seen", "Shopful", "Spread", "seen"]

Rows = NDArray[np.float32]
GARMENTS = 1000  # classes from here on are of `clothing`
NEAR, STEP, MATES = 16, 0.2, 0.45
_CHUNK = 20_000


@dataclass(frozen=True)
class Seen:
    """Unit rows of real pictures, their class (n,), and the studio picture (classes of grocery, d) of each product."""

    rows: Rows
    groups: NDArray[np.int64]
    photos: int
    studio: Rows


def seen(kept: Path, dim: int) -> Seen:
    """The file that `growth.py see` wrote, turned so that `dim` numbers hold as much of the cosines as they can."""
    held = np.load(kept)
    photos, garments = unit(held["grocery"]), unit(held["clothing"])
    rows, studio = np.concatenate([photos, garments]), unit(held["studio"])
    groups = np.concatenate([held["fine"], GARMENTS + np.unique(held["cloth"], return_inverse=True)[1]])
    if dim < rows.shape[1]:
        axes = np.linalg.eigh(rows.T @ rows)[1][:, ::-1][:, :dim]
        rows, studio = unit(rows @ axes), unit(studio @ axes)
    return Seen(rows, groups, len(photos), studio)


@dataclass(frozen=True)
class Spread:
    """What a level adds: a mean (d,), and a factor (k, d) whose Gram matrix is the covariance."""

    mean: Rows
    factor: Rows

    @classmethod
    def of(cls, rows: Rows) -> Self:
        """Measured on rows (n, d)."""
        mean = rows.mean(axis=0)
        return cls(mean, ((rows - mean) / np.sqrt(len(rows))).astype(np.float32))

    def draw(self, count: int, rng: np.random.Generator) -> Rows:
        """(count, d), without the mean."""
        return rng.standard_normal((count, len(self.factor)), np.float32) @ self.factor

    def compact(self, rank: int) -> Self:
        """The same covariance by at most `rank` of its axes, quicker to draw from."""
        left, levels, axes = np.linalg.svd(self.factor, full_matrices=False)
        del left
        return type(self)(self.mean, (levels[:rank, None] * axes[:rank]).astype(np.float32))


class Shopful:
    """Draws pictures and queries of one made shop; the same seed gives the same shop."""

    def __init__(self, real: Seen, products: int, *, seed: int = 0) -> None:
        own = {group: real.rows[real.groups == group] for group in np.unique(real.groups)}
        apart = {group: rows - rows.mean(axis=0) for group, rows in own.items()}
        self._garments = np.concatenate([rows for group, rows in apart.items() if group >= GARMENTS])
        self._near = np.concatenate(_neighbors([rows for group, rows in apart.items() if group >= GARMENTS]))
        self._photo = Spread.of(np.concatenate([rows for group, rows in apart.items() if group < GARMENTS]))
        self._photo = self._photo.compact(real.rows.shape[1])
        self.cosines = np.einsum("ij,ij->i", real.rows[: real.photos], real.studio[real.groups[: real.photos]])
        self._rng = np.random.default_rng(seed)
        centers = Spread.of(np.stack([rows.mean(axis=0) for rows in own.values()]))
        count = max(len(own), round(2 * products**0.5))
        self._centers = centers.mean + centers.draw(count, self._rng)
        shares = 1 / np.arange(1, count + 1)
        self._shares = shares / shares.sum()

    def pictures(self, products: int, each: int) -> tuple[Rows, NDArray[np.int64]]:
        """(products * each, d) unit rows and the category of each; pictures of one product follow each other."""
        category = self._rng.choice(len(self._centers), products, p=self._shares)
        rows = np.empty((products * each, self._centers.shape[1]), np.float32)
        for at in range(0, products, _CHUNK):
            some = category[at : at + _CHUNK]
            shown = np.repeat(self._centers[some] + self._products(len(some)), each, axis=0)
            shown += MATES * self._photo.draw(len(shown), self._rng)
            rows[at * each : (at + len(some)) * each] = unit(shown)
        return rows, np.repeat(category, each)

    def _products(self, count: int) -> Rows:
        """A real garment's place in its class, moved a little toward and away from its neighbors there."""
        chosen = self._rng.integers(len(self._garments), size=count)
        shown = self._garments[chosen].copy()
        for near in range(NEAR):
            step = self._rng.normal(0, STEP, (count, 1)).astype(np.float32)
            shown += step * (self._garments[self._near[chosen, near]] - self._garments[chosen])
        return shown

    def queries(self, pictures: Rows, count: int) -> tuple[Rows, NDArray[np.int64]]:
        """(count, d) unit rows and the row of the picture that each is a photo of."""
        chosen = self._rng.choice(len(pictures), count, replace=len(pictures) < count)
        toward, cosine = pictures[chosen], self._rng.choice(self.cosines, (count, 1))
        aside = self._photo.draw(count, self._rng)
        aside = unit(aside - np.einsum("ij,ij->i", aside, toward)[:, None] * toward)
        return unit(cosine * toward + np.sqrt(1 - cosine**2) * aside).astype(np.float32), chosen


def _neighbors(classes: list[Rows]) -> list[NDArray[np.int64]]:
    """The NEAR nearest rows of each row within its class, as numbers over all classes."""
    found, before = [], 0
    for rows in classes:
        distance = (rows**2).sum(axis=1)[None, :] - 2 * rows @ rows.T
        found.append(before + np.argsort(distance, axis=1)[:, 1 : NEAR + 1])
        before += len(rows)
    return found
