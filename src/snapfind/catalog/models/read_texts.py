"""Reading the text in stored pictures that were added without it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from snapfind.catalog.storage.folder import Folder
from snapfind.catalog.storage.points import points_of
from snapfind.catalog.storage.stored_pictures import stored_picture
from snapfind.core.config import Settings
from snapfind.core.types import Kind
from snapfind.encoders.ocr.reader import TextReader, join_lines
from snapfind.index.base import Index, Point
from snapfind.index.payload import product_of, words_of

__all__ = ["read_texts"]

Progress = Callable[[int, int], None]


def read_texts(
    folder: Folder,
    index: Index,
    schema: Mapping[str, Kind],
    reader: TextReader,
    settings: Settings,
    turn: Callable[[], AbstractContextManager[object]],
    progress: Progress | None = None,
) -> int:
    """Read the stored copies of pictures whose text is not in the index. Each is written at once, so a stop loses one.

    Args:
        folder: Folder of the catalog.
        index: The index.
        schema: Kinds of the attributes.
        reader: Reads text.
        settings: Settings of the catalog.
        turn: Lock of writers.
        progress: Called with (pictures done, pictures in total).

    Returns:
        Number of pictures that were read.
    """
    total, count = index.count(), 0
    for done, point in enumerate(points_of(index), 1):
        if "_read" not in point.payload and "_kind" not in point.payload:
            image = stored_picture(folder, point.id, settings)
            if image is not None:
                text = join_lines(reader.read(image))
                with turn():
                    count += _write(index, point, text, schema)
        if progress:
            progress(done, total)
    return count


def _write(index: Index, point: Point, text: str, schema: Mapping[str, Kind]) -> bool:
    """Store the text of a picture. False if the picture was deleted or replaced meanwhile."""
    current = next(iter(index.get([point.id])), None)
    if current is None or current.payload["_hash"] != point.payload["_hash"]:
        return False
    payload = {**current.payload, "_read": text}
    words = words_of(product_of(payload, schema), text) if payload["_primary"] else None
    index.put_payload([point.id], payload, words)
    return True
