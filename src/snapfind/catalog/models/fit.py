"""Fitting an adapter to a catalog: to its own pictures, and to photos of shoppers where there are any."""

import random
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from snapfind.catalog.models.registry import MOST, NETWORK, raw_encoder, register, stored_picture, stored_pictures
from snapfind.catalog.storage.folder import Folder, copy_draft
from snapfind.catalog.storage.points import points_of
from snapfind.core.config import Settings
from snapfind.core.errors import BadInput, BadPicture
from snapfind.encoders.adapter import Adapter
from snapfind.encoders.adapters.fit import Photos
from snapfind.encoders.adapters.fit import fit as fit_adapter
from snapfind.encoders.embedding_model import Model
from snapfind.encoders.image.base import PhotoEncoder
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.registry import open_network
from snapfind.index.base import Ask, Index
from snapfind.index.filters import where
from snapfind.media.image.decode import Limits, Source, load

__all__ = ["LabeledPhoto", "OnRejected", "fit"]

Progress = Callable[[int, int], None]
OnRejected = Callable[[str], None]
LabeledPhoto = tuple[Source, str]  # a photo, and the id of the product it shows; "" where nobody said
_PHOTOS = 4096  # at most; of more, so many are drawn
_BATCH = 32
_NEAREST = 5  # pictures that a photo may be of, where the catalog is too large to ask about all


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
    """Fit an adapter to the catalog's own pictures, and to photos of shoppers, and keep it in the folder.

    `refused` is told of each photo that cannot be read or is of no product here. Raises BadInput with fewer than two
    pictures, or where not one photo of those given can be used.
    """
    raw = _network(folder, model, settings)
    shown = _pictures_of(index, {product for _, product in photos if product})
    near: Counter[str] = Counter()
    large = index.count() > MOST
    features, products = [], []
    for batch in _batches(_read(photos, shown, raw.preprocessing.source_side, settings, refused)):
        features.append(raw.extract_features([image for image, _ in batch]).pooled)
        products += [product for _, product in batch]
        if large:
            near.update(_near(batch, shown, model, index))
        if progress:
            progress(len(products), min(len(photos), _PHOTOS))
    if photos and not features:
        raise BadInput(f"none of the {len(photos):,} photos can be used; give pictures of products that are here")
    sample = _sample(folder, index, settings, near)
    if len(sample) < 2:
        raise BadInput("there are fewer than two pictures; add products first")
    given = Photos(np.concatenate(features), _told(products, [product for product, _ in sample])) if features else None
    adapter = fit_adapter([image for _, image in sample], raw, photos=given, progress=progress)
    return _keep(folder, model.photo.space.id, raw, adapter)


def _network(folder: Folder, model: Model, settings: Settings) -> PhotoEncoder:
    """What the model that answers stands on: the shop's own tower, a network in 8 bits, or the shipped one."""
    name = model.photo.space.id
    entry = folder.manifest.models[name]
    if entry.kind == "trained" and entry.precision != "int8":
        return raw_encoder(entry.encoder, settings)
    return open_network(entry, folder, settings.whole("threads"))


def _pictures_of(index: Index, products: set[str]) -> dict[str, list[str]]:
    """The points of those products that the catalog has."""
    found: dict[str, list[str]] = {}
    for point in points_of(index, where("_product", sorted(products))) if products else ():
        found.setdefault(str(point.payload["_product"]), []).append(point.id)
    return found


def _read(
    photos: Sequence[LabeledPhoto], shown: Container[str], side: int, settings: Settings, refused: OnRejected | None
) -> Iterator[tuple[Image, str]]:
    """Those of the photos that can be read and are of a product here; of many, so many as are drawn."""
    drawn = random.Random(0).sample(photos, _PHOTOS) if len(photos) > _PHOTOS else photos  # noqa: S311 (no secret)
    limits = Limits.of(settings)
    for photo, product in drawn:
        try:
            if product and product not in shown:
                raise BadInput(f"there is no product {product!r} in the catalog; its photo was left out")
            yield load(photo, limits, side=side), product
        except (BadPicture, BadInput) as problem:
            if refused:
                refused(str(problem))


def _batches(images: Iterator[tuple[Image, str]]) -> Iterator[list[tuple[Image, str]]]:
    while batch := list(islice(images, _BATCH)):
        yield batch


def _near(
    batch: Sequence[tuple[Image, str]], shown: Mapping[str, list[str]], model: Model, index: Index
) -> Iterator[str]:
    """The points that photos are of, or may be of by the model that answers."""
    vectors = model.photo.images([image for image, _ in batch], "query")
    for vector, (_, product) in zip(vectors, batch):
        ask = Ask(model.photo.space.id, vector, limit=_NEAREST, group=None)
        yield from shown[product] if product else (found.id for found in index.search(ask))


def _sample(folder: Folder, index: Index, settings: Settings, near: Counter[str]) -> list[tuple[str, Image]]:
    """Products and pictures to fit to: first those that photos are near to, the commonest first, then any."""
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


def _told(products: Sequence[str], pictures: Sequence[str]) -> NDArray[np.float64]:
    """(m, n): a photo's label shared out among the pictures of its product; 0 without a label."""
    same = np.array(products)[:, None] == np.array(pictures)[None]
    shares: NDArray[np.float64] = same / np.maximum(same.sum(axis=1, keepdims=True), 1)
    return shares


def _keep(folder: Folder, name: str, raw: PhotoEncoder, adapter: Adapter) -> PhotoEncoder:
    """The adapted encoder, in the catalog's folder and manifest. A network in 8 bits, which no package ships, is
    copied beside its adapter."""
    entry = folder.manifest.models[name]
    own = entry.precision == "int8"
    draft = copy_draft(folder.space(name), NETWORK if own else (), folder.path / "spaces")
    adapter.save(draft / "heads" if own else draft)
    encoder = Builtin.load(str(draft)) if own else raw.adapted(Adapter.load(draft))
    target = folder.space(encoder.space.id)
    if not target.exists():
        draft.rename(target)
    register(folder, encoder, adapted=True, parent=entry.encoder if own else "")
    return encoder
