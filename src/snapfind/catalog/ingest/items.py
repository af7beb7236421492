"""What a source gives: pictures of products, and what could not be read."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from snapfind.core.types import Product

if TYPE_CHECKING:
    from snapfind.media.fetch import FetchPolicy

__all__ = ["Failure", "Item", "Remote"]


@dataclass(frozen=True, slots=True)
class Failure:
    """What could not be added, for the error file: `id, code, path, reason`."""

    id: str
    code: str
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Item:
    """One picture to be indexed: its product, its name within the product, and its file or the bytes of one."""

    product: Product
    picture: str
    path: Path
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Remote(Item):
    """One whose picture is named by its address: fetched once, and not again while the catalog has it."""

    allowed: "FetchPolicy | None" = None
