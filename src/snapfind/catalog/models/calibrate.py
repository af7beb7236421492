"""Fit the calibration and the category prototypes of a model to a catalog.

Without labels, synthetic photos are made of the stored pictures (media/image/photo_simulation.py). Every third photo is
searched without its product, like a photo of a product that is not in the catalog. Confirmed photos (from events or a
table) are used instead if they are given. Both files are stored with the other artifacts of the model.
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
from snapfind.media.image.background import cut_out_product
from snapfind.media.image.photo_simulation import simulate_photo
from snapfind.search.calibration import Calibration, Weights, fit
from snapfind.search.calibration_data import calibration_data
from snapfind.search.category_prior import EMPTY, Prototypes
from snapfind.search.context import SearchContext

__all__ = ["FittedCalibration", "fit_features", "learn", "read", "refit", "synthetic_photo_features"]

Progress = Callable[[int, int], None]
_PICTURES, _PHOTOS = 200, 500  # at most: 50 ms of processor time a photo
_VIEWS = 12
_SEED = 7  # differs from the adapter's seed, whose photos it was fitted on
_FEW = 30  # fewest confirmed photos for a stable fit


@dataclass(frozen=True, slots=True)
class FittedCalibration:
    """Content of `calibration.json` and `categories.safetensors`.

    Attributes:
        calibration: Fitted calibration.
        prototypes: Category prototypes.
        metadata: What they were fitted on.
    """

    calibration: Calibration
    prototypes: Prototypes = EMPTY
    metadata: dict[str, Any] | None = None

    def save(self, folder: Path) -> None:
        """Write both files to the folder of a model. Each is replaced atomically.

        Args:
            folder: Folder of the model.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.prototypes.save(folder / "categories.new")
        (folder / "categories.new").replace(folder / "categories.safetensors")
        metadata = {"photo": self.calibration.photo, "fused": self.calibration.fused, **(self.metadata or {})}
        write_whole(folder / "calibration.json", json.dumps(metadata, indent=2).encode())


def read(folder: Path, base: Calibration) -> FittedCalibration:
    """Read the fitted calibration of a model.

    Args:
        folder: Folder of the model.
        base: Calibration to use if there is none.

    Returns:
        The fitted calibration, or `base` without prototypes.

    Raises:
        ModelBroken: If a file is damaged.
    """
    path = folder / "calibration.json"
    if not path.exists():
        return FittedCalibration(base)
    try:
        metadata = json.loads(path.read_bytes())
        similarity, margin, lead, category, bias = (float(weight) for weight in metadata.pop("photo"))
        share, offset = (float(weight) for weight in metadata.pop("fused"))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelBroken(f"{path} cannot be read ({error}); run: snapfind model calibrate") from error
    weights: Weights = (similarity, margin, lead, category, bias)
    prototypes = Prototypes.load(folder / "categories.safetensors")
    return FittedCalibration(Calibration(weights, (share, offset)), prototypes, metadata)


def learn(
    pictures: Iterator[tuple[Point, Image]], context: SearchContext, progress: Progress | None = None
) -> FittedCalibration:
    """Fit on synthetic photos of at most 200 pictures of the catalog.

    Args:
        pictures: Points with their stored pictures.
        context: Index and model to search with.
        progress: Called with (pictures done, pictures in total).

    Returns:
        The fitted calibration and prototypes.

    Raises:
        BadInput: If there are fewer than two products.
    """
    sample = list(itertools.islice(pictures, _PICTURES))
    products = [str(point.payload["_product"]) for point, _ in sample]
    if len(set(products)) < 2:
        raise BadInput("there are fewer than two products with pictures; add products first")
    views = max(2, min(_VIEWS, _PHOTOS // len(sample)))
    posteriors, photos = synthetic_photo_features([image for _, image in sample], context.model.photo, views, progress)
    categories = [str(point.payload.get("category", "")) for point, _ in sample]
    return fit_features(products, categories, posteriors, photos, context)


def fit_features(
    products: Sequence[str], categories: Sequence[str], posteriors: Vectors, photos: Features, context: SearchContext
) -> FittedCalibration:
    """Fit on features of synthetic photos.

    Args:
        products: Product of each of n pictures.
        categories: Category of each picture, "" for none.
        posteriors: Class probabilities of the pictures, shape (n, k).
        photos: Features of the synthetic photos, picture by picture, with the same number for each.
        context: Index and model to search with.

    Returns:
        The fitted calibration and prototypes.
    """
    views = len(photos.pooled) // len(products)
    classes = posteriors.shape[1]  # 0 for a network without a classifier, which has no prototypes
    both = (posteriors + photos.posterior.reshape(len(products), views, classes).mean(axis=1)) / 2
    prototypes = Prototypes.of(categories, both) if classes and any(categories) else EMPTY
    labels = [product for product in products for _ in range(views)]
    without = {place: Not(where("_product", [labels[place]])) for place in range(0, len(labels), 3)}
    inputs, right = calibration_data(photos, labels, replace(context, prototypes=prototypes), without)
    metadata = {
        "from": "synthetic photos of own pictures",
        "pictures": len(products),
        "photos": len(labels),
        "seed": _SEED,
    }
    return FittedCalibration(fit(inputs, right, context.calibration), prototypes, metadata)


def refit(photos: Sequence[tuple[Image, str]], context: SearchContext) -> FittedCalibration:
    """Fit on photos that shoppers confirmed.

    Args:
        photos: Pairs of photo and product id.
        context: Index, model and prototypes to search with.

    Returns:
        The fitted calibration with the prototypes of the context.

    Raises:
        BadInput: If there are fewer than 30 photos.
    """
    if len(photos) < _FEW:
        raise BadInput(f"{len(photos)} confirmed photos are too few to calibrate on; give {_FEW} or more")
    features = context.model.photo.extract_features([image for image, _ in photos])
    products = [product for _, product in photos]
    without = {place: Not(where("_product", [products[place]])) for place in range(0, len(products), 3)}
    inputs, right = calibration_data(features, products, context, without)
    metadata = {"from": "confirmed photos", "photos": len(photos)}
    return FittedCalibration(fit(inputs, right, context.calibration), context.prototypes, metadata)


def synthetic_photo_features(
    images: Sequence[Image], encoder: PhotoEncoder, views: int, progress: Progress | None = None
) -> tuple[Vectors, Features]:
    """Extract features of synthetic photos.

    Args:
        images: n pictures.
        encoder: Encoder of the model.
        views: Number of synthetic photos of each picture.
        progress: Called with (pictures done, pictures in total).

    Returns:
        Class probabilities of the pictures, shape (n, k), and features of the n * views photos, picture by picture.
    """
    cuts = [cut_out_product(image) for image in images]
    pooled, posterior, own = [], [], []
    with ThreadPoolExecutor() as pool:
        for place, (image, cut) in enumerate(zip(images, cuts)):
            generators = [np.random.default_rng([_SEED, place, view]) for view in range(views)]
            synthetic = list(pool.map(lambda rng, cut=cut: simulate_photo(cut, rng, cuts[:64]), generators))
            features = encoder.extract_features([image, *synthetic])
            own.append(features.posterior[0])
            pooled.append(features.pooled[1:])
            posterior.append(features.posterior[1:])
            if progress:
                progress(place + 1, len(images))
    return np.stack(own), Features(np.concatenate(pooled), np.concatenate(posterior))
