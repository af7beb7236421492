"""What a model learns from one catalogue so that its answers can be trusted: prototypes of categories, calibration.

Without a label: the kept pictures are photographed again (media/image/photo_simulation.py), and every third photo is
asked of the catalogue without its product, as a shopper asks for what the shop does not sell. With confirmed photos
(from events, or a table) these speak instead. Both files lie beside the model's other artifacts and hold what they
were made from.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image

from snapfind.catalog.storage.folder import write_whole
from snapfind.core.errors import BadInput, ModelBroken
from snapfind.encoders.base import Vectors
from snapfind.encoders.image.base import Features, PhotoEncoder
from snapfind.index.base import Point
from snapfind.index.filters import where
from snapfind.index.filters.operators import Not
from snapfind.media.image.background import cutout
from snapfind.media.image.photo_simulation import rephotograph
from snapfind.search.calibration import Calibration, Weights, fit
from snapfind.search.calibration_features import calibration_data
from snapfind.search.category_prior import EMPTY, Prototypes
from snapfind.search.context import SearchContext

__all__ = ["Learnt", "learn", "learn_from", "read", "refit", "synthetic_photo_features"]

Progress = Callable[[int, int], None]
_PICTURES, _PHOTOS = 200, 500  # at most: 50 ms of processor time a photo
_VIEWS = 12
_SEED = 7  # not the adapter's: it has seen its own photos
_FEW = 30  # confirmed photos below which a refit would follow chance


@dataclass(frozen=True, slots=True)
class Learnt:
    """What `calibration.json` and `categories.safetensors` hold; `told` says from what it was learnt."""

    calibration: Calibration
    prototypes: Prototypes = EMPTY
    told: dict[str, Any] | None = None

    def save(self, folder: Path) -> None:
        """Into the model's folder, each file whole."""
        folder.mkdir(parents=True, exist_ok=True)
        self.prototypes.save(folder / "categories.new")
        (folder / "categories.new").replace(folder / "categories.safetensors")
        told = {"photo": self.calibration.photo, "fused": self.calibration.fused, **(self.told or {})}
        write_whole(folder / "calibration.json", json.dumps(told, indent=2).encode())


def read(folder: Path, base: Calibration) -> Learnt:
    """What was learnt for a model, or the shipped calibration. Raises ModelBroken where a file is damaged."""
    path = folder / "calibration.json"
    if not path.exists():
        return Learnt(base)
    try:
        told = json.loads(path.read_bytes())
        similarity, margin, lead, category, bias = (float(weight) for weight in told.pop("photo"))
        share, offset = (float(weight) for weight in told.pop("fused"))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelBroken(f"{path} cannot be read ({error}); run: snapfind model calibrate") from error
    weights: Weights = (similarity, margin, lead, category, bias)
    prototypes = Prototypes.load(folder / "categories.safetensors")
    return Learnt(Calibration(weights, (share, offset)), prototypes, told)


def learn(pictures: Iterator[tuple[Point, Image]], context: SearchContext, progress: Progress | None = None) -> Learnt:
    """From the catalogue's own pictures, at most 200 of them. Raises BadInput with fewer than two products."""
    sample = list(itertools.islice(pictures, _PICTURES))
    products = [str(point.payload["_product"]) for point, _ in sample]
    if len(set(products)) < 2:
        raise BadInput("there are fewer than two products with pictures; add the catalogue first")
    views = max(2, min(_VIEWS, _PHOTOS // len(sample)))
    posteriors, photos = synthetic_photo_features([image for _, image in sample], context.model.photo, views, progress)
    categories = [str(point.payload.get("category", "")) for point, _ in sample]
    return learn_from(products, categories, posteriors, photos, context)


def learn_from(
    products: Sequence[str], categories: Sequence[str], posteriors: Vectors, photos: Features, context: SearchContext
) -> Learnt:
    """From n pictures: their product and category, (n, k) class probabilities, and a look at the photos of each."""
    views = len(photos.pooled) // len(products)
    classes = posteriors.shape[1]  # 0 of a learnt network, which has forgotten them: no guess of categories then
    both = (posteriors + photos.posterior.reshape(len(products), views, classes).mean(axis=1)) / 2
    prototypes = Prototypes.of(categories, both) if classes and any(categories) else EMPTY
    shown = [product for product in products for _ in range(views)]
    without = {place: Not(where("_product", [shown[place]])) for place in range(0, len(shown), 3)}
    inputs, right = calibration_data(photos, shown, replace(context, prototypes=prototypes), without)
    told = {"from": "own pictures, photographed again", "pictures": len(products), "photos": len(shown), "seed": _SEED}
    return Learnt(fit(inputs, right, context.calibration), prototypes, told)


def refit(photos: Sequence[tuple[Image, str]], context: SearchContext) -> Learnt:
    """From (photo, product id) pairs that shoppers confirmed. Raises BadInput with fewer than 30."""
    if len(photos) < _FEW:
        raise BadInput(f"{len(photos)} confirmed photos are too few to calibrate on; give {_FEW} or more")
    features = context.model.photo.extract_features([image for image, _ in photos])
    products = [product for _, product in photos]
    without = {place: Not(where("_product", [products[place]])) for place in range(0, len(products), 3)}
    inputs, right = calibration_data(features, products, context, without)
    told = {"from": "confirmed photos", "photos": len(photos)}
    return Learnt(fit(inputs, right, context.calibration), context.prototypes, told)


def synthetic_photo_features(
    images: Sequence[Image], encoder: PhotoEncoder, views: int, progress: Progress | None = None
) -> tuple[Vectors, Features]:
    """(n, k) class probabilities of the pictures, and the look at their photos, picture by picture."""
    cuts = [cutout(image) for image in images]
    pooled, posterior, own = [], [], []
    with ThreadPoolExecutor() as pool:
        for place, (image, cut) in enumerate(zip(images, cuts)):
            drawn = [np.random.default_rng([_SEED, place, view]) for view in range(views)]
            taken = list(pool.map(lambda rng, cut=cut: rephotograph(cut, rng, cuts[:64]), drawn))
            features = encoder.extract_features([image, *taken])
            own.append(features.posterior[0])
            pooled.append(features.pooled[1:])
            posterior.append(features.posterior[1:])
            if progress:
                progress(place + 1, len(images))
    return np.stack(own), Features(np.concatenate(pooled), np.concatenate(posterior))
