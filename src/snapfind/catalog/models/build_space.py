"""Building a space: the vectors of stored pictures that the space lacks, a batch at a time."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from PIL.Image import Image

from snapfind.catalog.storage.folder import Folder
from snapfind.catalog.storage.points import points_of
from snapfind.catalog.storage.stored_pictures import load_stored
from snapfind.core.config import Settings
from snapfind.core.errors import SnapfindError
from snapfind.encoders.base import Space, Vectors
from snapfind.index.base import Index

__all__ = ["build_space"]

Progress = Callable[[int, int], None]
_BATCH = 32


def build_space(
    folder: Folder,
    index: Index,
    space: Space,
    encode: Callable[[Sequence[Image]], Vectors],
    settings: Settings,
    turn: Callable[[], AbstractContextManager[object]],
    progress: Progress | None = None,
) -> list[str]:
    """Compute the vectors of a space from the stored copies.

    Each batch holds the lock of writers, so that copies and vectors agree, whatever is added meanwhile.

    Args:
        folder: Folder of the catalog.
        index: The index.
        space: The space.
        encode: Computes unit rows (n, dim) of n pictures.
        settings: Settings of the catalog.
        turn: Lock of writers.
        progress: Called with (points done, points in total).

    Returns:
        Ids of points without a copy.
    """
    known = folder.manifest.models
    # a text-to-image space is not among the models, and replaces none
    others = [name for name in known if name != space.id] if space.id in known else []
    index.add_space(space.id, space.dim, instead_of=others)
    total = index.count()
    missing: list[str] = []
    batch: list[str] = []

    def write() -> None:
        with turn():
            images: dict[str, Image] = {}
            for point in batch:
                try:
                    images[point] = load_stored(folder, point, settings)
                except SnapfindError:
                    missing.append(point)
            if images:
                index.put_vectors(space.id, dict(zip(images, encode(list(images.values())))))
        batch.clear()

    for done, point in enumerate(points_of(index, vectors=True), 1):
        if space.id not in point.vectors:
            batch.append(point.id)
        if len(batch) == _BATCH:
            write()
            if progress:
                progress(done, total)
    write()
    if progress:
        progress(total, total)
    return missing
