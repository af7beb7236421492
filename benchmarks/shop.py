"""The grocery shop of the benchmarks, in memory: 81 products, their photos looked at once, a search context."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scenes import DATA, studio

from snapfind.core.config import Settings
from snapfind.core.types import Picture, Product
from snapfind.encoders.adapter import Adapter
from snapfind.encoders.arrays import unit
from snapfind.encoders.embedding_model import Model
from snapfind.encoders.image.efficientnet import Builtin, Features
from snapfind.index.base import Point
from snapfind.index.payload import point_id, to_payload
from snapfind.index.reference import ReferenceIndex
from snapfind.media.image.decode import Limits, load
from snapfind.search.calibration import Calibration
from snapfind.search.category_prior import EMPTY, Prototypes
from snapfind.search.context import SearchContext

__all__ = ["COARSE", "NAMES", "PICTURES", "Photos", "head", "photos", "search_context"]

NAMES, COARSE, PICTURES = studio()


@dataclass(frozen=True)
class Photos:
    """The photos of a split: what the network saw in them, and the product that each shows."""

    look: Features
    fine: np.ndarray

    @property
    def ids(self) -> list[str]:
        """Product ids."""
        return [NAMES[one] for one in self.fine]


def photos(encoder: Builtin, split: str, step: int = 1) -> Photos:
    """Every `step`-th photo."""
    lines = [line.split(", ") for line in (DATA / "grocery" / f"{split}.txt").read_text().splitlines()][::step]
    limits, side = Limits.of(Settings()), encoder.preprocessing.side
    pooled, posterior = [], []
    for at in range(0, len(lines), 64):
        look = encoder.extract_features(
            [load(DATA / "grocery" / line[0], limits, side=side) for line in lines[at : at + 64]]
        )
        pooled.append(look.pooled)
        posterior.append(look.posterior)
    return Photos(
        Features(np.concatenate(pooled), np.concatenate(posterior)), np.array([int(line[1]) for line in lines])
    )


def search_context(
    encoder: Builtin,
    of_studio: Features,
    kept: Sequence[int] = range(81),
    calibration: Calibration | None = None,
    prototypes: Prototypes = EMPTY,
) -> SearchContext:
    """The products `kept`, in the space of that encoder."""
    index, space = ReferenceIndex(), encoder.space.id
    index.add_space(space, encoder.space.dim)
    rows = encoder.project(of_studio, "document")
    for at in kept:
        product = Product(NAMES[at], title=NAMES[at].replace("-", " "), category=f"c{COARSE[at]}")
        payload = to_payload(product, Picture("a.jpg"), primary=True)
        index.upsert([Point(point_id(product.id, "a.jpg"), {space: rows[at]}, product.title, payload)])
    return SearchContext(index, Model(encoder), calibration or Calibration.raw(), {}, Settings(), prototypes)


def head(train: Photos, of_studio: Features, classes: Sequence[int], encoder: Builtin) -> Adapter:
    """A linear head in closed form from labeled photos, in the adapter's own format.

    As encoders/adapter.py does it, with shoppers' photos in place of rephotographs: photos are whitened within their
    class, studio pictures are moved by ridge regression to the mean of their class's photos. Shrinkage .3 and ridge .01
    were the best of 3 x 2 when fitted on every other photo of `train` and asked with the rest.
    """
    rows, own = unit(train.look.pooled), np.isin(train.fine, classes)
    shown, fine = rows[own], train.fine[own]
    centers = {k: shown[fine == k].mean(axis=0) for k in classes if (fine == k).any()}
    means = {"query": shown.mean(axis=0), "document": unit(of_studio.pooled)[list(centers)].mean(axis=0)}
    apart = shown - np.stack([centers[k] for k in fine])
    covariance = apart.T.astype(np.float64) @ apart / len(apart)
    levels, axes = np.linalg.eigh(covariance / (np.trace(covariance) / len(covariance)) + 0.3 * np.eye(len(covariance)))
    whitening = (axes / np.sqrt(levels)) @ axes.T
    pictures = unit(of_studio.pooled)[list(centers)] - means["document"]
    seen = np.stack(list(centers.values())) - means["query"]
    gram = pictures @ pictures.T
    gram += 0.01 * np.trace(gram) / len(gram) * np.eye(len(gram))
    moved = pictures.T @ np.linalg.solve(gram, seen)
    weights = {f"{role}_mean": mean for role, mean in means.items()}
    weights |= {"query_matrix": whitening, "document_matrix": moved @ whitening}
    return Adapter(encoder.raw_id, {key: np.ascontiguousarray(value, np.float32) for key, value in weights.items()})
