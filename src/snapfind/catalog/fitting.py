"""Fitting an adapter to a catalogue: to its own pictures, and to photos of shoppers where there are any."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np
from PIL.Image import Image

from snapfind.catalog.folder import Folder, drafted
from snapfind.catalog.models import MOST, NETWORK, copied, enlist, enlisted, kept_pictures, raw_encoder
from snapfind.encoders.adapter import Adapter
from snapfind.encoders.builtin import Builtin
from snapfind.encoders.fitting import fit as fit_adapter
from snapfind.encoders.model import Model
from snapfind.encoders.photo import PhotoEncoder
from snapfind.errors import BadInput, BadPicture
from snapfind.index.port import Ask, Index
from snapfind.media.images import Limits, Source, load
from snapfind.settings import Settings

__all__ = ["Refused", "fit"]

Progress = Callable[[int, int], None]
Refused = Callable[[str], None]
_PHOTOS = 2048  # at most; of more, so many are drawn
_BATCH = 32
_NEAREST = 5  # pictures that a photo may be of, where the catalogue is too large to ask about all


def fit(
    folder: Folder,
    index: Index,
    model: Model,
    settings: Settings,
    *,
    photos: Sequence[Source] = (),
    refused: Refused | None = None,
    progress: Progress | None = None,
) -> PhotoEncoder:
    """Fit an adapter to the catalogue's own pictures, and to photos without a label, and keep it in the folder.

    `refused` is told of each photo that cannot be read. Raises BadInput with fewer than two pictures, or where not
    one photo of those given can be read.
    """
    raw = _network(folder, model, settings)
    near: Counter[str] = Counter()
    seen = []
    for batch in _batches(_read(photos, raw.preprocessing.source_side, settings, refused)):
        seen.append(raw.look(batch).pooled)
        if index.count() > MOST:
            near.update(_nearest(batch, model, index))
        if progress:
            progress(sum(map(len, seen)), min(len(photos), _PHOTOS))
    if photos and not seen:
        raise BadInput(f"none of the {len(photos):,} photos can be read; give JPEG, PNG or WebP files")
    sample = _sample(folder, index, settings, near)
    if len(sample) < 2:
        raise BadInput("there are fewer than two pictures; add the catalogue first")
    adapter = fit_adapter(sample, raw, photos=np.concatenate(seen) if seen else None, progress=progress)
    return _keep(folder, model.photo.space.id, raw, adapter)


def _network(folder: Folder, model: Model, settings: Settings) -> PhotoEncoder:
    """What the model that answers stands on: the shop's own tower, a network in 8 bits, or the shipped one."""
    name = model.photo.space.id
    told = folder.manifest.models[name]
    if told.get("precision") == "int8":
        return Builtin.load(str(folder.space(name)), threads=settings.whole("threads"))
    return enlisted(folder, told["tower"], settings) if "tower" in told else raw_encoder(told["encoder"], settings)


def _read(photos: Sequence[Source], side: int, settings: Settings, refused: Refused | None) -> Iterator[Image]:
    """Those of the photos that can be read; of many, so many as are drawn."""
    drawn = random.Random(0).sample(photos, _PHOTOS) if len(photos) > _PHOTOS else photos  # noqa: S311 (no secret)
    limits = Limits.of(settings)
    for photo in drawn:
        try:
            yield load(photo, limits, side=side)
        except BadPicture as problem:
            if refused:
                refused(str(problem))


def _batches(images: Iterator[Image]) -> Iterator[list[Image]]:
    while batch := list(islice(images, _BATCH)):
        yield batch


def _nearest(photos: Sequence[Image], model: Model, index: Index) -> Iterator[str]:
    """The pictures that each photo may be of, by the model that answers."""
    for vector in model.photo.images(photos, "query"):
        ask = Ask(model.photo.space.id, vector, limit=_NEAREST, group=None)
        yield from (found.id for found in index.search(ask))


def _sample(folder: Folder, index: Index, settings: Settings, near: Counter[str]) -> list[Image]:
    """Pictures to fit to: first those that photos are near to, the commonest first, then any."""
    first = [image for point, _ in near.most_common(MOST) if (image := copied(folder, point, settings))]
    others = (image for point, image in kept_pictures(folder, index, settings, most=MOST) if point.id not in near)
    return [*first, *islice(others, MOST - len(first))]


def _keep(folder: Folder, name: str, raw: PhotoEncoder, adapter: Adapter) -> PhotoEncoder:
    """The adapted encoder, in the catalogue's folder and manifest. A network in 8 bits, which no package ships, is
    copied beside its adapter."""
    told = folder.manifest.models[name]
    own = told.get("precision") == "int8"
    draft = drafted(folder.space(name), NETWORK if own else (), folder.path / "spaces")
    adapter.save(draft / "heads" if own else draft)
    encoder = Builtin.load(str(draft)) if own else raw.adapted(Adapter.load(draft))
    target = folder.space(encoder.space.id)
    if not target.exists():
        draft.rename(target)
    enlist(folder, encoder, adapted=True, ready=False, parent=told["encoder"] if own else "")
    return encoder
