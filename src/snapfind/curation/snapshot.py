"""The whole catalogue as arrays: a row for each picture, in order of product and name, as files lie in folders."""

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
from snapfind.curation.findings import Shown
from snapfind.encoders.base import Vectors
from snapfind.index.base import Point
from snapfind.media.image.decode import Limits, load
from snapfind.media.prefetch import ahead

__all__ = ["Progress", "Seen", "image_of", "see"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Seen:
    """`points` (n), their `vectors` (n, d) of the active space, `thumbs` (n, 48, 48, 3) uint8, and each's product as a
    number (n,) into `products`. About 15 kB a picture.
    """

    points: Sequence[Point]
    vectors: Vectors
    thumbs: NDArray[np.uint8]
    numbers: NDArray[np.int64]
    products: Sequence[str]

    def shown(self, row: int) -> Shown:
        """The picture of a row."""
        payload = self.points[row].payload
        return Shown(self.points[row].id, str(payload["_product"]), str(payload["_picture"]))

    def pictures_of(self, product: str) -> set[str]:
        """The ids of all pictures of a product."""
        return self._own.get(product, set())

    @cached_property
    def _own(self) -> dict[str, set[str]]:
        own: dict[str, set[str]] = {}
        for point in self.points:
            own.setdefault(str(point.payload["_product"]), set()).add(point.id)
        return own

    def title(self, row: int) -> str:
        """What the product of a row is called."""
        payload = self.points[row].payload
        return str(payload.get("title") or payload["_product"])

    def category(self, row: int) -> str:
        """The category of the product of a row."""
        return str(self.points[row].payload.get("category", ""))


def see(catalogue: Catalog, progress: Progress | None = None) -> Seen:
    """Every picture that has a vector of the active space; one whose copy is gone gets a grey thumb."""
    space = catalogue.model.photo.space
    points = [point for point in catalogue.points(vectors=True) if space.id in point.vectors]
    points.sort(key=lambda point: (str(point.payload["_product"]), str(point.payload["_picture"])))
    thumbs = np.full((len(points), SIDE, SIDE, 3), 128, np.uint8)
    with ThreadPoolExecutor(max(1, catalogue.settings.whole("threads") or 2)) as pool:
        for row, (_, made) in enumerate(ahead(pool, partial(_thumb, catalogue), points, 64)):
            if made is not None:
                thumbs[row] = made
            if progress and row % 50 == 0:
                progress(row, len(points))
    vectors = (
        np.stack([point.vectors[space.id] for point in points]) if points else np.empty((0, space.dim), np.float32)
    )
    products, numbers = np.unique([str(point.payload["_product"]) for point in points], return_inverse=True)
    return Seen(points, vectors, thumbs, numbers, products.tolist())


def image_of(catalogue: Catalog, point: str, side: int | None = None) -> Image.Image:
    """The kept copy of a picture. Raises BadPicture."""
    return load(catalogue.folder.copy_of(point), Limits.of(catalogue.settings), side=side)


def _thumb(catalogue: Catalog, point: Point) -> NDArray[np.uint8] | None:
    try:
        return thumb(image_of(catalogue, point.id, SIDE))
    except BadPicture:
        return None
