"""Fitting of an adapter to a catalog: to its pictures, and to photos of shoppers if there are any."""

import random
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from snapfind.catalog.models.registry import MOST, NETWORK, raw_encoder, register
from snapfind.catalog.storage.folder import Folder, copy_draft
from snapfind.catalog.storage.points import points_of
from snapfind.catalog.storage.stored_pictures import stored_picture, stored_pictures
from snapfind.core.config import Settings
from snapfind.core.errors import BadInput, BadPicture
from snapfind.encoders.adapter import Adapter
from snapfind.encoders.adapters.fit import Photos
from snapfind.encoders.adapters.fit import fit as fit_adapter
from snapfind.encoders.embedding_model import Model
from snapfind.encoders.image.base import PhotoEncoder
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.registry import open_network
from snapfind.index.base import Index, IndexQuery
from snapfind.index.filters import where
from snapfind.media.image.decode import Limits, Source, load

__all__ = ["LabeledPhoto", "OnRejected", "fit"]

Progress = Callable[[int, int], None]
OnRejected = Callable[[str], None]
LabeledPhoto = tuple[Source, str]  # photo, and id of the product in it, or "" if it is unknown
_PHOTOS = 4096  # maximum; of more, a random sample is used
_BATCH = 32
_NEAREST = 5  # nearest pictures of a photo that are used if the catalog is too large to use all


def fit(
    folder: Folder,
    index: Index,
    model: Model,
    settings: Settings,
    *,
    photos: Sequence[LabeledPhoto] = (),
    refused: OnRejected | None = None,
    progress: Progress | None = None,
) -> PhotoEncoder:
    """Fit an adapter to the pictures of a catalog and to photos of shoppers, and store it in the folder.

    Args:
        folder: Folder of the catalog.
        index: The index.
        model: Active model, whose raw encoder is adapted.
        settings: Settings of the catalog.
        photos: Photos of shoppers, with product ids if they are known.
        refused: Called with a reason for each photo that cannot be used.
        progress: Called with (photos or pictures done, in total).

    Returns:
        The adapted encoder.

    Raises:
        BadInput: There are fewer than two pictures, or no photo can be used.
    """
    raw = _network(folder, model, settings)
    known_points = _pictures_of(index, {product for _, product in photos if product})
    near: Counter[str] = Counter()
    large = index.count() > MOST
    features, products = [], []
    for batch in _batches(_read(photos, known_points, raw.preprocessing.source_side, settings, refused)):
        features.append(raw.extract_features([image for image, _ in batch]).pooled)
        products += [product for _, product in batch]
        if large:
            near.update(_near(batch, known_points, model, index))
        if progress:
            progress(len(products), min(len(photos), _PHOTOS))
    if photos and not features:
        raise BadInput(f"none of the {len(photos):,} photos can be used; pass photos of products in this catalog")
    sample = _sample(folder, index, settings, near)
    if len(sample) < 2:
        raise BadInput("there are fewer than two pictures; add products first")
    labeled = (
        Photos(np.concatenate(features), _label_weights(products, [product for product, _ in sample]))
        if features
        else None
    )
    adapter = fit_adapter([image for _, image in sample], raw, photos=labeled, progress=progress)
    return _store(folder, model.photo.space.id, raw, adapter)


def _network(folder: Folder, model: Model, settings: Settings) -> PhotoEncoder:
    """Return the encoder without adapter of the active model: converted, int8, or bundled."""
    name = model.photo.space.id
    entry = folder.manifest.models[name]
    if entry.kind == "trained" and entry.precision != "int8":
        return raw_encoder(entry.encoder, settings)
    return open_network(entry, folder, settings.whole("threads"))


def _pictures_of(index: Index, products: set[str]) -> dict[str, list[str]]:
    """Return the points of products, by product id."""
    points: dict[str, list[str]] = {}
    for point in points_of(index, where("_product", sorted(products))) if products else ():
        points.setdefault(str(point.payload["_product"]), []).append(point.id)
    return points


def _read(
    photos: Sequence[LabeledPhoto],
    known_points: Container[str],
    side: int,
    settings: Settings,
    refused: OnRejected | None,
) -> Iterator[tuple[Image, str]]:
    """Yield the photos that can be read, and whose product is in the catalog. Of many, a random sample."""
    sample = random.Random(0).sample(photos, _PHOTOS) if len(photos) > _PHOTOS else photos  # noqa: S311 (no secret)
    limits = Limits.of(settings)
    for photo, product in sample:
        try:
            if product and product not in known_points:
                raise BadInput(f"no product {product!r} in the catalog; its photo was ignored")
            yield load(photo, limits, side=side), product
        except (BadPicture, BadInput) as problem:
            if refused:
                refused(str(problem))


def _batches(images: Iterator[tuple[Image, str]]) -> Iterator[list[tuple[Image, str]]]:
    while batch := list(islice(images, _BATCH)):
        yield batch


def _near(
    batch: Sequence[tuple[Image, str]], known_points: Mapping[str, list[str]], model: Model, index: Index
) -> Iterator[str]:
    """Yield the points of the products of photos, or the nearest points."""
    vectors = model.photo.images([image for image, _ in batch], "query")
    for vector, (_, product) in zip(vectors, batch):
        query = IndexQuery(model.photo.space.id, vector, limit=_NEAREST, group=None)
        yield from known_points[product] if product else (hit.id for hit in index.search(query))


def _sample(folder: Folder, index: Index, settings: Settings, near: Counter[str]) -> list[tuple[str, Image]]:
    """Return products and pictures to fit on: first those near to most photos, then any."""
    first = [
        (str(point.payload["_product"]), image)
        for point in index.get([point for point, _ in near.most_common(MOST)])
        if (image := stored_picture(folder, point.id, settings))
    ]
    others = (
        (str(point.payload["_product"]), image)
        for point, image in stored_pictures(folder, index, settings, most=MOST)
        if point.id not in near
    )
    return [*first, *islice(others, MOST - len(first))]


def _label_weights(products: Sequence[str], pictures: Sequence[str]) -> NDArray[np.float64]:
    """Return weights (m, n) of the pictures for each photo: equal for those of its product, 0 without a label."""
    same = np.array(products)[:, None] == np.array(pictures)[None]
    shares: NDArray[np.float64] = same / np.maximum(same.sum(axis=1, keepdims=True), 1)
    return shares


def _store(folder: Folder, name: str, raw: PhotoEncoder, adapter: Adapter) -> PhotoEncoder:
    """Store an adapter, register its model and return the adapted encoder. An int8 network is copied with it."""
    entry = folder.manifest.models[name]
    own = entry.precision == "int8"
    draft = copy_draft(folder.space(name), NETWORK if own else (), folder.path / "spaces")
    adapter.save(draft / "heads" if own else draft)
    encoder = Builtin.load(str(draft)) if own else raw.adapted(Adapter.load(draft))
    target = folder.space(encoder.space.id)
    if not target.exists():
        draft.rename(target)
    register(folder, encoder, adapted=True, parent=entry.encoder if own else "", origin=entry)
    return encoder
