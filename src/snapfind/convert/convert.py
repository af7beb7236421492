"""From a source, as the user names it, to an artifact and what there is to say about it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL.Image import Image

from snapfind.convert.comparison import milliseconds, same_neighbors, size_of
from snapfind.convert.detect import fingerprint, read_original
from snapfind.convert.hub import found
from snapfind.convert.source_model import Original
from snapfind.convert.verify import pictures_by_torch
from snapfind.convert.write import write_tower
from snapfind.core.errors import BadInput
from snapfind.encoders.arrays import unit
from snapfind.encoders.golden import golden_pictures
from snapfind.encoders.image.onnx_tower import GOLDEN_TEXTS, Tower

__all__ = ["Converted", "convert", "neighbors", "source_of"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Converted:
    """The artifact as the shop floor opens it, the model that it was made of, and `facts`: its size in bytes, its
    agreement with PyTorch as least cosines, its speed in milliseconds beside PyTorch's.
    """

    tower: Tower
    original: Original
    facts: dict[str, object]


def source_of(source: str) -> str:
    """The sha256 by which a catalog knows again what it was made of. Raises NotFound."""
    return fingerprint(found(source))


def convert(source: str, folder: Path, precision: str, told: Callable[[str], None] = lambda _: None) -> Converted:
    """Reads a model (a folder, or a name that is fetched) and writes its artifact into the new `folder`.

    `told` hears each step. Raises BadInput, ModelBroken, NotFound, NoRoom, ExtraMissing, each in one sentence.
    """
    if folder.exists():
        raise BadInput(f"{folder} is there already; give another folder or remove it")
    told("reading the model")
    place = found(source)
    named = "" if Path(source).expanduser() == place else source.removeprefix("hf-hub:")
    original = read_original(place, named)
    origin = {"name": named or place.resolve().name, "sha256": fingerprint(place)}
    tower, agreed = write_tower(original, folder, precision=precision, source=origin, told=told)
    picture = golden_pictures(1)
    facts: dict[str, object] = {
        "name": tower.name,
        "kind": original.kind,
        "precision": precision,
        "dim": tower.space.dim,
        "bytes": size_of(folder),
        "cosine_pictures": round(agreed.pictures, 6),
        "cosine_texts": round(agreed.texts, 6) if tower.words else None,
        "pixels_off": agreed.pixels_off,
        "picture_ms": round(milliseconds(lambda: tower.extract_features(picture)), 1),
        "picture_ms_torch": round(milliseconds(lambda: pictures_by_torch(original, picture)), 1),
    }
    words = tower.words
    if words is not None:
        facts["text_ms"] = round(milliseconds(lambda: words.texts(GOLDEN_TEXTS[:1], "query")), 1)
    return Converted(tower, original, facts)


def neighbors(made: Converted, images: Sequence[Image], progress: Progress | None = None) -> dict[str, object]:
    """On a shop's own pictures: the mean and least cosine with PyTorch, and the part of the ten nearest pictures that
    PyTorch finds which the artifact finds too.
    """
    exact = pictures_by_torch(made.original, images, progress)
    ours = unit(made.tower.extract_features(images).pooled)
    cosines = (exact * ours).sum(axis=1)
    return {
        "pictures": len(images),
        "cosine_mean": round(float(np.mean(cosines)), 6),
        "cosine_least": round(float(np.min(cosines)), 6),
        "recall_at_10": round(same_neighbors(exact, ours), 4),
    }
