"""The encoder that answers in a catalog, in 8 bits: ranges from the catalog's own pictures, and what it costs.

Half of a sample of the kept pictures, each with two photos made of it (media/image/photo_simulation.py), tells the
ranges; photos of the other half are compared, before and after. No shopper's photo and no label is used.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL.Image import Image

from snapfind.catalog.catalog import Catalog
from snapfind.catalog.storage.stored_pictures import stored_picture
from snapfind.convert.comparison import milliseconds, same_answers, same_neighbors
from snapfind.convert.int8 import write_eight_bits
from snapfind.core.errors import BadInput, ModelBroken
from snapfind.encoders.adapter import Adapter
from snapfind.encoders.image.base import PhotoEncoder
from snapfind.encoders.image.efficientnet import Builtin, artifact_of
from snapfind.media.image.background import cut_out_product
from snapfind.media.image.photo_simulation import simulate_photo

__all__ = ["Quantized", "photographed", "quantize"]

Progress = Callable[[int, int], None]
_MOST, _LEAST = 400, 16  # pictures of the sample; below, half of them would tell too little of either
_VIEWS = 2
_BATCH = 16
_WORST = 0.9  # mean cosine with what was quantized, below which nothing is offered
_SEED = 11  # neither the adapter's nor that of calibration


@dataclass(frozen=True, slots=True)
class Quantized:
    """The artifact's folder, the encoder it holds, and `facts`: agreement with the one it was made of, as parts of 1
    and cosines, and of both the pictures a second, milliseconds a picture and bytes of the network.
    """

    folder: Path
    encoder: Builtin
    facts: dict[str, object]


def quantize(opened: Catalog, folder: Path, progress: Progress | None = None) -> Quantized:
    """Writes the artifact into the new `folder`; the catalog is only read.

    Raises BadInput for an encoder of the shop's own, one in 8 bits, or fewer than 16 pictures; ModelBroken where the
    answers would be others.
    """
    before = opened.model.photo
    source, heads, told = _standing(opened, before.space.id)
    sample = _sample(opened)
    ranges, judged = sample[::2], sample[1::2]

    def step(done: int) -> None:
        if progress:
            progress(done, len(sample))

    def seen() -> Iterator[list[Image]]:
        for done, batch in enumerate(photographed(ranges, _VIEWS), 1):
            yield batch
            step(done)

    after = write_eight_bits(source, folder, seen(), heads=heads, told=told)
    for name in ("calibration.json", "categories.safetensors"):  # scores keep their meaning as far as vectors do
        if (kept := opened.folder.space(before.space.id) / name).exists():
            shutil.copyfile(kept, folder / name)
    photos = []
    for done, (_, photo) in enumerate(photographed(judged, 1), len(ranges) + 1):
        photos.append(photo)
        step(done)
    facts: dict[str, object] = {
        "model": after.space.id,
        "made_of": before.space.id,
        "ranges_from": len(ranges) * (1 + _VIEWS),
        "compared_on": len(photos),
        **_agreement(before, after, sample, photos),
        "pictures_a_second": [round(1000 / _milliseconds(own, sample[:_BATCH]), 1) for own in (before, after)],
        "picture_ms": [round(_milliseconds(own, sample[:1]), 1) for own in (before, after)],
        "bytes": [(place / "model.onnx").stat().st_size for place in (source, folder)],
    }
    return Quantized(folder, after, facts)


def photographed(images: Sequence[Image], views: int) -> Iterator[list[Image]]:
    """Each picture with so many photos made of it, the same every time."""
    cuts = [cut_out_product(image) for image in images]
    for place, (image, cut) in enumerate(zip(images, cuts)):
        drawn = (np.random.default_rng([_SEED, place, view]) for view in range(views))
        yield [image, *(simulate_photo(cut, rng, cuts[:64]) for rng in drawn)]


def _standing(opened: Catalog, name: str) -> tuple[Path, Adapter | None, dict[str, object]]:
    """Folder of the network of a model, its adapter, and what its manifest says of scores. Raises BadInput."""
    entry, place = opened.folder.manifest.models[name], opened.folder.space(name)
    if entry.kind == "converted":
        raise BadInput(
            f"{name} is your own model: convert it again with snapfind model convert --precision int8, then use that"
        )
    if entry.precision == "int8":
        raise BadInput(f"{name} is in 8 bits already; switch to the model that is to be quantized first")
    if not entry.adapted:
        return artifact_of(entry.encoder), None, {}
    if entry.kind == "trained":
        return place, Adapter.load(place / "heads"), {}
    told = json.loads((place / "manifest.json").read_bytes())
    kept = {key: told[key] for key in ("calibration",) if key in told}
    return artifact_of(entry.encoder), Adapter.load(place), kept


def _sample(opened: Catalog) -> list[Image]:
    """The kept copies of some points, in order of point id, which is as good as drawn at random. Raises BadInput."""
    found: list[Image] = []
    for point in opened.points():
        if len(found) == _MOST:
            break
        image = stored_picture(opened.folder, point.id, opened.settings)
        if image is not None:
            found.append(image)
    if len(found) < _LEAST:
        raise BadInput(f"the catalog has {len(found)} picture(s); ranges for 8 bits are found on {_LEAST} or more")
    return found


def _agreement(
    before: PhotoEncoder, after: PhotoEncoder, sample: Sequence[Image], photos: Sequence[Image]
) -> dict[str, object]:
    """Cosines of the rows of both, and the part of the ten nearest pictures that stays. Raises ModelBroken."""
    rows = [(own.images(sample, "document"), own.images(photos, "query")) for own in (before, after)]
    (pictures, queries), (pictures_after, queries_after) = rows
    of_pictures = (pictures * pictures_after).sum(axis=1)[1::2]  # the first half told the ranges
    of_photos = (queries * queries_after).sum(axis=1)
    if not min(of_pictures.mean(), of_photos.mean()) >= _WORST:
        raise ModelBroken(
            f"{before.space.id} answers otherwise in 8 bits (mean cosine {of_pictures.mean():.3f} of pictures,"
            f" {of_photos.mean():.3f} of photos, at least {_WORST}); nothing was changed, stay with it"
        )
    return {
        "cosine_pictures": [round(float(value), 4) for value in (of_pictures.mean(), of_pictures.min())],
        "cosine_photos": [round(float(value), 4) for value in (of_photos.mean(), of_photos.min())],
        "recall_at_10_pictures": round(same_neighbors(pictures, pictures_after), 4),
        "recall_at_10_photos": round(same_answers((queries, pictures), (queries_after, pictures_after)), 4),
        "first_stays": round(same_answers((queries, pictures), (queries_after, pictures_after), 1), 4),
    }


def _milliseconds(encoder: PhotoEncoder, images: Sequence[Image]) -> float:
    """A picture, decoded ones, as many at a time as are given."""
    return milliseconds(lambda: encoder.extract_features(images)) / len(images)
