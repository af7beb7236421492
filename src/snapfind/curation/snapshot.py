"""A catalog as arrays, with one row for each picture, in the order of product and file name."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from snapfind.catalog.catalog import Catalog
from snapfind.core.errors import BadPicture
from snapfind.curation.detect.duplicates import SIDE, thumb
from snapfind.curation.findings import FindingSample
from snapfind.encoders.base import Vectors
from snapfind.index.base import Point
from snapfind.media.image.decode import Limits, load
from snapfind.media.prefetch import map_ahead

__all__ = ["CatalogSnapshot", "Progress", "image_of", "take_snapshot"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class CatalogSnapshot:
    """Pictures of a catalog. Takes about 15 kB for each picture.

    Attributes:
        points: Points of n pictures.
        vectors: Embeddings in the active space, shape (n, d).
        thumbs: Thumbnails, uint8 of shape (n, 48, 48, 3).
        numbers: Index of each picture's product in `products`, shape (n,).
        products: Ids of the products.
    """

    points: Sequence[Point]
    vectors: Vectors
    thumbs: NDArray[np.uint8]
    numbers: NDArray[np.int64]
    products: Sequence[str]

    def sample(self, row: int) -> FindingSample:
        """Return the picture of a row as a sample of a finding."""
        payload = self.points[row].payload
        return FindingSample(self.points[row].id, str(payload["_product"]), str(payload["_picture"]))

    def pictures_of(self, product: str) -> set[str]:
        """Return the point ids of all pictures of a product."""
        return self._own.get(product, set())

    @cached_property
    def _own(self) -> dict[str, set[str]]:
        own: dict[str, set[str]] = {}
        for point in self.points:
            own.setdefault(str(point.payload["_product"]), set()).add(point.id)
        return own

    def title(self, row: int) -> str:
        """Return the title of a row's product, or its id."""
        payload = self.points[row].payload
        return str(payload.get("title") or payload["_product"])

    def category(self, row: int) -> str:
        """Return the category of a row's product."""
        return str(self.points[row].payload.get("category", ""))


def take_snapshot(catalog: Catalog, progress: Progress | None = None) -> CatalogSnapshot:
    """Read all pictures that have an embedding in the active space.

    Args:
        catalog: Catalog to read.
        progress: Called with (pictures done, pictures in total).

    Returns:
        The pictures. A picture without a stored copy has a gray thumbnail.
    """
    space = catalog.model.photo.space
    points = [point for point in catalog.points(vectors=True) if space.id in point.vectors]
    points.sort(key=lambda point: (str(point.payload["_product"]), str(point.payload["_picture"])))
    thumbs = np.full((len(points), SIDE, SIDE, 3), 128, np.uint8)
    with ThreadPoolExecutor(max(1, catalog.settings.whole("threads") or 2)) as pool:
        for row, (_, thumbnail) in enumerate(map_ahead(pool, partial(_thumb, catalog), points, 64)):
            if thumbnail is not None:
                thumbs[row] = thumbnail
            if progress and row % 50 == 0:
                progress(row, len(points))
    vectors = (
        np.stack([point.vectors[space.id] for point in points]) if points else np.empty((0, space.dim), np.float32)
    )
    products, numbers = np.unique([str(point.payload["_product"]) for point in points], return_inverse=True)
    return CatalogSnapshot(points, vectors, thumbs, numbers, products.tolist())


def image_of(catalog: Catalog, point: str, side: int | None = None) -> Image.Image:
    """Load the stored copy of a picture.

    Args:
        catalog: Catalog of the picture.
        point: Id of its point.
        side: Longest side in pixels to decode to, or None for the full size.

    Returns:
        The image.

    Raises:
        BadPicture: If there is no copy or it cannot be decoded.
    """
    return load(catalog.folder.copy_of(point), Limits.of(catalog.settings), side=side)


def _thumb(catalog: Catalog, point: Point) -> NDArray[np.uint8] | None:
    try:
        return thumb(image_of(catalog, point.id, SIDE))
    except BadPicture:
        return None
