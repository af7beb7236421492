"""What has to be done for a chunk of items: compare them with what the index holds, by picture and content hash."""

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
    """What the index holds of the products of a chunk: point id -> point, product id -> its points."""

    points: Mapping[str, Point]
    by_product: Mapping[str, Sequence[Point]]

    def hash_of(self, point: str) -> str:
        """Content hash of the stored picture, empty when there is none."""
        return str(self.points[point].payload["_hash"]) if point in self.points else ""


def find_stored(index: Index, products: Sequence[str]) -> StoredPoints:
    """Look all points of these products up."""
    points: dict[str, Point] = {}
    by_product: dict[str, list[Point]] = {}
    after: str | None = None
    wanted = where("_product", list(dict.fromkeys(products)))
    while True:
        page = index.scroll(wanted, after=after, limit=1000)
        for point in page.points:
            points[point.id] = point
            by_product.setdefault(str(point.payload["_product"]), []).append(point)
        if page.after is None:
            return StoredPoints(points, by_product)
        after = page.after


def read_bytes(item: Item, most: int) -> tuple[bytes, str]:
    """The bytes of an item's picture and their sha256. Raises BadPicture when it is missing, empty or too large."""
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
    """The stored points of a product whose fields differ now, with their new payload and words, without vectors."""
    changed = []
    for point in points:
        primary = bool(point.payload["_primary"])
        payload = to_payload(product, picture_of(point.payload), primary=primary)
        if payload != point.payload:
            changed.append(Point(point.id, {}, words_of(product) if primary else "", payload))
    return changed
