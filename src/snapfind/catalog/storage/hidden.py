"""Hidden pictures: their points are moved from the index to files of the folder, and back.

hidden/POINT.safetensors has the vectors of every space and the payload of a point. The stored copy stays. The file is
complete before the point is deleted from the index, so a crash loses nothing. `add` skips a hidden picture as long as
its bytes are the same (catalog/ingest/ingest.py).
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save

from snapfind.catalog.ingest.diff import find_stored
from snapfind.catalog.storage.folder import Folder, write_whole
from snapfind.catalog.storage.points import promote, title_vectors
from snapfind.core.config import Settings
from snapfind.core.errors import CatalogBroken
from snapfind.core.types import Kind
from snapfind.encoders.base import Vectors
from snapfind.encoders.embedding_model import Model
from snapfind.index.base import Index, Point
from snapfind.index.payload import picture_of, product_of, to_payload, words_of
from snapfind.media.image.decode import Limits, load

__all__ = ["forget", "hidden", "hidden_hash", "hide", "show"]

_ID = re.compile(r"[0-9a-f-]{36}")


def hide(folder: Folder, index: Index, model: Model, schema: dict[str, Kind], pictures: Sequence[str]) -> list[str]:
    """Hide points.

    Args:
        folder: Folder of the catalog.
        index: The index.
        model: Model with the text encoder.
        schema: Kinds of the attributes.
        pictures: Ids of points. Hidden and unknown ones are ignored.

    Returns:
        Ids of the points that were hidden now.
    """
    points = index.get(list(dict.fromkeys(pictures)), vectors=True)
    for point in points:
        _store(folder, point)
    index.delete([point.id for point in points])
    orphans = sorted({str(point.payload["_product"]) for point in points if point.payload["_primary"]})
    if orphans:
        promote(index, orphans, model, schema)
    return [point.id for point in points]


def show(folder: Folder, index: Index, model: Model, settings: Settings, pictures: Sequence[str]) -> list[str]:
    """Show hidden points again.

    A picture that was the main one of its product is so again. It gets the current fields of the product. Vectors of
    spaces that were built meanwhile are computed from the stored copy.

    Args:
        folder: Folder of the catalog.
        index: The index.
        model: Active model.
        settings: Settings of the catalog.
        pictures: Ids of points. Those that are not hidden are ignored.

    Returns:
        Ids of the points that were shown now.

    Raises:
        CatalogBroken: A file is damaged.
        BadPicture: A stored copy is needed and missing.
    """
    shown_ids = []
    for name in dict.fromkeys(pictures):
        if not _ID.fullmatch(name):  # it is used as a file name
            continue
        path = _file(folder, name)
        if path.is_file():
            if not index.get([name]):  # else a new picture of the same name was added, which stays
                _restore(_read(path), folder, index, model, settings)
                shown_ids.append(name)
            path.unlink()
    return shown_ids


def hidden(folder: Folder) -> Iterator[Point]:
    """Iterate over hidden points.

    Args:
        folder: Folder of the catalog.

    Yields:
        Points without vectors, in order of id.
    """
    for path in sorted((folder.path / "hidden").glob("*.safetensors")):
        yield Point(path.stem, payload=_payload(path))


def hidden_hash(folder: Folder, point: str) -> str:
    """Return the content hash of a hidden point.

    Args:
        folder: Folder of the catalog.
        point: Id of the point.

    Returns:
        SHA-256 in hexadecimal, or an empty text if the point is not hidden.
    """
    path = _file(folder, point)
    return str(_payload(path).get("_hash", "")) if path.is_file() else ""


def forget(folder: Folder, products: set[str]) -> None:
    """Delete the hidden points of products that are deleted.

    Args:
        folder: Folder of the catalog.
        products: Product ids.
    """
    for point in list(hidden(folder)) if products else ():
        if str(point.payload["_product"]) in products:
            _file(folder, point.id).unlink(missing_ok=True)
            folder.copy_of(point.id).unlink(missing_ok=True)


def _file(folder: Folder, point: str) -> Path:
    return folder.path / "hidden" / f"{point}.safetensors"


def _store(folder: Folder, point: Point) -> None:
    vectors = {space: np.ascontiguousarray(vector, np.float32) for space, vector in point.vectors.items()}
    metadata = {"payload": json.dumps(dict(point.payload), ensure_ascii=False)}
    path = _file(folder, point.id)
    path.parent.mkdir(exist_ok=True)
    write_whole(path, save(vectors, metadata))


def _payload(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, "np") as file:
            return dict(json.loads((file.metadata() or {})["payload"]))
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise CatalogBroken(f"{path} cannot be read ({error}); restore it from a snapshot, or remove it") from error


def _read(path: Path) -> Point:
    payload = _payload(path)  # first, because its error names the damaged file
    return Point(path.stem, load_file(path), payload=payload)


def _restore(point: Point, folder: Folder, index: Index, model: Model, settings: Settings) -> None:
    others = find_stored(index, [str(point.payload["_product"])]).by_product.get(str(point.payload["_product"]), ())
    schema = folder.manifest.schema
    product = product_of((others[0] if others else point).payload, schema)
    primary = bool(point.payload["_primary"]) or not others
    if primary:
        _demote([other.id for other in others if other.payload["_primary"]], index, model)
    picture = picture_of(point.payload)
    payload = to_payload(product, picture, primary=primary)
    words = words_of(product, picture.read) if primary else ""
    restored = Point(point.id, _vectors(point, folder, model, settings), words, payload)
    own = {} if payload == point.payload else _titled(restored, model)
    index.upsert([Point(point.id, {**restored.vectors, **own}, restored.words, payload)])


def _titled(point: Point, model: Model) -> dict[str, Vectors]:
    return {space: rows[point.id] for space, rows in title_vectors([point], model).items()}


def _demote(points: Sequence[str], index: Index, model: Model) -> None:
    """Make points not primary: without words, and without their title vectors."""
    demoted = [
        Point(
            point.id,
            {space: vector for space, vector in point.vectors.items() if space != model.text.space.id},
            "",
            {**point.payload, "_primary": False},
        )
        for point in index.get(points, vectors=True)
    ]
    index.upsert(demoted)


def _vectors(point: Point, folder: Folder, model: Model, settings: Settings) -> dict[str, Vectors]:
    """Return the image vectors of the current spaces. Missing ones are computed from the stored copy."""
    spaces = set(model.spaces())
    own = {space: vector for space, vector in point.vectors.items() if space in spaces}
    if spaces - {model.text.space.id} - set(own):
        image = load(folder.copy_of(point.id), Limits.of(settings))
        own |= {space: rows[0] for space, rows in model.encode_document_images([image]).items() if space not in own}
    return own
