"""The stored copies of pictures: JPEG files without metadata in the folder of a catalog."""

from collections.abc import Iterator

from PIL.Image import Image

from snapfind.catalog.storage.folder import Folder
from snapfind.catalog.storage.points import points_of
from snapfind.core.config import Settings
from snapfind.core.errors import NotFound, SnapfindError
from snapfind.index.base import Index, Point
from snapfind.media.image.decode import Limits, load

__all__ = ["load_stored", "stored_picture", "stored_pictures"]


def stored_pictures(folder: Folder, index: Index, settings: Settings, most: int) -> Iterator[tuple[Point, Image]]:
    """Iterate over stored copies of pictures in order of point id, which is a random order.

    Args:
        folder: Folder of the catalog.
        index: The index.
        settings: Settings of the catalog.
        most: Maximum number of pictures.

    Yields:
        Points with their vectors, and their pictures.
    """
    count = 0
    for point in points_of(index, vectors=True):
        if count == most:
            return
        try:
            image = load_stored(folder, point.id, settings)
        except SnapfindError:
            continue
        count += 1
        yield point, image


def load_stored(folder: Folder, point: str, settings: Settings) -> Image:
    """Load the stored copy of a picture.

    Raises:
        NotFound: There is no copy.
        BadPicture: It is damaged.
    """
    path = folder.copy_of(point)
    if not path.exists():
        raise NotFound(f"the copy of picture {point} is missing; add its product again")
    return load(path, Limits.of(settings))


def stored_picture(folder: Folder, point: str, settings: Settings) -> Image | None:
    """Load the stored copy of a picture.

    Args:
        folder: Folder of the catalog.
        point: Id of its point.
        settings: Settings of the catalog.

    Returns:
        RGB image, or None if the copy is missing or damaged.
    """
    try:
        return load_stored(folder, point, settings)
    except SnapfindError:
        return None
