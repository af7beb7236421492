"""Quantize the active encoder of a catalog to int8, and measure the loss.

Activation ranges are calibrated on half of a sample of the catalog's pictures, each with two synthetic photos
(media/image/photo_simulation.py). Synthetic photos of the other half are compared before and after. No photo of a
shopper and no label is used.
"""

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
from snapfind.core.artifact import read_manifest
from snapfind.core.errors import BadInput, ModelBroken
from snapfind.encoders.adapter import Adapter
from snapfind.encoders.image.base import PhotoEncoder
from snapfind.encoders.image.efficientnet import Builtin, artifact_of
from snapfind.media.image.background import cut_out_product
from snapfind.media.image.photo_simulation import simulate_photo

__all__ = ["Quantized", "photographed", "quantize"]

Progress = Callable[[int, int], None]
_MOST, _LEAST = 400, 16  # pictures of the sample
_VIEWS = 2
_BATCH = 16
_WORST = 0.9  # smallest allowed mean cosine with the original
_SEED = 11  # another one than those of adapters and calibration


@dataclass(frozen=True, slots=True)
class Quantized:
    """Result of a quantization.

    Attributes:
        folder: Folder of the artifact.
        encoder: The quantized encoder.
        facts: Agreement with the original (cosines, recall), and of both: pictures per second, milliseconds per picture
            and bytes of the network.
    """

    folder: Path
    encoder: Builtin
    facts: dict[str, object]


def quantize(opened: Catalog, folder: Path, progress: Progress | None = None) -> Quantized:
    """Write the active encoder in int8. The catalog is not changed.

    Args:
        opened: The catalog.
        folder: New folder of the artifact.
        progress: Called with the number of finished pictures and their total.

    Returns:
        The quantized encoder and its comparison with the original.

    Raises:
        BadInput: The encoder is the shop's own or already int8, or the catalog has fewer than 16 pictures.
        ModelBroken: The embeddings differ too much.
    """
    before = opened.model.photo
    source, heads, metadata = _source_of(opened, before.space.id)
    sample = _sample(opened)
    for_ranges, for_comparison = sample[::2], sample[1::2]

    def step(done: int) -> None:
        if progress:
            progress(done, len(sample))

    def batches() -> Iterator[list[Image]]:
        for done, batch in enumerate(photographed(for_ranges, _VIEWS), 1):
            yield batch
            step(done)

    after = write_eight_bits(source, folder, batches(), heads=heads, metadata=metadata)
    for name in ("calibration.json", "categories.safetensors"):
        if (fitted := opened.folder.space(before.space.id) / name).exists():
            shutil.copyfile(fitted, folder / name)
    photos = []
    for done, (_, photo) in enumerate(photographed(for_comparison, 1), len(for_ranges) + 1):
        photos.append(photo)
        step(done)
    facts: dict[str, object] = {
        "model": after.space.id,
        "made_of": before.space.id,
        "ranges_from": len(for_ranges) * (1 + _VIEWS),
        "compared_on": len(photos),
        **_agreement(before, after, sample, photos),
        "pictures_a_second": [round(1000 / _milliseconds(own, sample[:_BATCH]), 1) for own in (before, after)],
        "picture_ms": [round(_milliseconds(own, sample[:1]), 1) for own in (before, after)],
        "bytes": [(place / "model.onnx").stat().st_size for place in (source, folder)],
    }
    return Quantized(folder, after, facts)


def photographed(images: Sequence[Image], views: int) -> Iterator[list[Image]]:
    """Simulate photos of pictures. The result depends on the pictures alone.

    Args:
        images: Pictures.
        views: Number of synthetic photos of each.

    Yields:
        Each picture, followed by its synthetic photos.
    """
    cuts = [cut_out_product(image) for image in images]
    for place, (image, cut) in enumerate(zip(images, cuts)):
        drawn = (np.random.default_rng([_SEED, place, view]) for view in range(views))
        yield [image, *(simulate_photo(cut, rng, cuts[:64]) for rng in drawn)]


def _source_of(opened: Catalog, name: str) -> tuple[Path, Adapter | None, dict[str, object]]:
    """Return the folder of the network of a model, its adapter, and the calibration in its manifest."""
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
    manifest = read_manifest(place, remedy="run snapfind model fit")
    calibration = {key: manifest[key] for key in ("calibration",) if key in manifest}
    return artifact_of(entry.encoder), Adapter.load(place), calibration


def _sample(opened: Catalog) -> list[Image]:
    """Load up to 400 stored pictures in the order of their hashed ids, which is random."""
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
    """Compare embeddings and nearest pictures of both encoders. Raise ModelBroken if they differ too much."""
    rows = [(own.images(sample, "document"), own.images(photos, "query")) for own in (before, after)]
    (pictures, queries), (pictures_after, queries_after) = rows
    of_pictures = (pictures * pictures_after).sum(axis=1)[1::2]  # without the pictures of the ranges
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
    """Measure the milliseconds per decoded picture in a batch of all images."""
    return milliseconds(lambda: encoder.extract_features(images)) / len(images)
