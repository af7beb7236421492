"""Comparison of a chunk of items with the stored points, by name and content hash."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from snapfind.catalog.ingest.sources import Item, Remote
from snapfind.core.errors import BadPicture
from snapfind.core.types import Product
from snapfind.index.base import Index, Point
from snapfind.index.filters import where
from snapfind.index.payload import picture_of, to_payload, words_of

__all__ = ["StoredPoints", "find_stored", "read_bytes", "refresh_points"]


@dataclass(frozen=True, slots=True)
class StoredPoints:
    """Stored points of the products of a chunk.

    Attributes:
        points: Points by id.
        by_product: Points by product id.
    """

    points: Mapping[str, Point]
    by_product: Mapping[str, Sequence[Point]]

    def hash_of(self, point: str) -> str:
        """Return the content hash of a stored file.

        Args:
            point: Id of its first point.

        Returns:
            SHA-256 in hexadecimal, or an empty text if it is not stored.
        """
        return str(self.points[point].payload["_hash"]) if point in self.points else ""


def find_stored(index: Index, products: Sequence[str]) -> StoredPoints:
    """Look up all points of products.

    Args:
        index: The index.
        products: Product ids.

    Returns:
        Their points.
    """
    points: dict[str, Point] = {}
    by_product: dict[str, list[Point]] = {}
    after: str | None = None
    filter = where("_product", list(dict.fromkeys(products)))
    while True:
        page = index.scroll(filter, after=after, limit=1000)
        for point in page.points:
            points[point.id] = point
            by_product.setdefault(str(point.payload["_product"]), []).append(point)
        if page.after is None:
            return StoredPoints(points, by_product)
        after = page.after


def read_bytes(item: Item, most: int) -> tuple[bytes, str]:
    """Read or fetch the bytes of a media file.

    Args:
        item: The file.
        most: Maximum size in bytes.

    Returns:
        The bytes, and their SHA-256 in hexadecimal.

    Raises:
        BadPicture: The file is missing, empty or too large.
    """
    if isinstance(item, Remote):
        from snapfind.media.fetch import fetch_url

        content = fetch_url(item.picture, item.allowed)
        return content, hashlib.sha256(content).hexdigest()
    try:
        size = item.path.stat().st_size if item.content is None else len(item.content)
        if size > most:
            raise BadPicture(f"the file has {size:,} bytes; the most is {most:,}", code="picture_too_large")
        content = item.path.read_bytes() if item.content is None else item.content
    except FileNotFoundError:
        raise BadPicture("there is no such file", code="picture_missing") from None
    except OSError as error:
        raise BadPicture(f"the file cannot be read: {error.strerror}", code="picture_missing") from error
    if not content:
        raise BadPicture("the file is empty", code="picture_empty")
    return content, hashlib.sha256(content).hexdigest()


def refresh_points(points: Sequence[Point], product: Product) -> list[Point]:
    """Compute the points of a product whose payload changes.

    Args:
        points: Stored points of the product.
        product: The product with its new fields.

    Returns:
        Points with new payload and words, without vectors.
    """
    changed = []
    for point in points:
        primary = bool(point.payload["_primary"])
        picture = picture_of(point.payload)
        payload = to_payload(product, picture, primary=primary)
        if payload != point.payload:
            changed.append(Point(point.id, {}, words_of(product, picture.read) if primary else "", payload))
    return changed
