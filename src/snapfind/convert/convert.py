"""Convert a model to an artifact, and compare both."""

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
    """Result of a conversion.

    Attributes:
        tower: The artifact, as serving loads it.
        original: The model that was converted.
        facts: Size in bytes, smallest cosine with PyTorch, and milliseconds of both.
    """

    tower: Tower
    original: Original
    facts: dict[str, object]


def source_of(source: str) -> str:
    """Compute the fingerprint by which a catalog recognizes a converted model.

    Args:
        source: Folder or name of a model.

    Returns:
        sha256 of its files.

    Raises:
        NotFound: There is no such model.
    """
    return fingerprint(found(source))


def convert(source: str, folder: Path, precision: str, on_step: Callable[[str], None] = lambda _: None) -> Converted:
    """Read a model and write its artifact.

    Args:
        source: Folder of a model, or a name that is downloaded.
        folder: New folder of the artifact.
        precision: "fp32", "fp16" or "int8".
        on_step: Called with the name of each step.

    Returns:
        The artifact and its comparison with PyTorch.

    Raises:
        BadInput: The folder exists, or the model cannot be converted.
        ModelBroken: A file is damaged, or the answers of the artifact differ.
        NotFound: There is no such model.
        NoRoom: The disk is full.
        ExtraMissing: The extra `convert` is not installed.
    """
    if folder.exists():
        raise BadInput(f"{folder} is there already; give another folder or remove it")
    on_step("reading the model")
    place = found(source)
    named = "" if Path(source).expanduser() == place else source.removeprefix("hf-hub:")
    original = read_original(place, named)
    origin = {"name": named or place.resolve().name, "sha256": fingerprint(place)}
    tower, agreed = write_tower(original, folder, precision=precision, source=origin, on_step=on_step)
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
    """Compare the artifact with PyTorch on the shop's own pictures.

    Args:
        made: The conversion.
        images: n pictures.
        progress: Called with the number of finished pictures and n.

    Returns:
        Mean and smallest cosine, and recall@10: the fraction of PyTorch's ten nearest pictures that the artifact finds.
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
