"""Items of a source: media files of products, and failures."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from snapfind.core.types import Product

if TYPE_CHECKING:
    from snapfind.media.fetch import FetchPolicy

__all__ = ["Failure", "Item", "Remote"]


@dataclass(frozen=True, slots=True)
class Failure:
    """A file or row that could not be added.

    Attributes:
        id: Product id, or an empty text if it is unknown.
        code: Error code, such as `picture_missing`.
        path: Name of the file, or place of the row.
        reason: What is wrong, and what to do.
    """

    id: str
    code: str
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Item:
    """A media file to index.

    Attributes:
        product: Its product.
        picture: Name of the file within the product.
        path: The file.
        content: Bytes of the file, if it is not on disk.
    """

    product: Product
    picture: str
    path: Path
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Remote(Item):
    """A media file with a URL. It is fetched once, and not again while the catalog has it.

    Attributes:
        allowed: What may be fetched.
    """

    allowed: "FetchPolicy | None" = None
