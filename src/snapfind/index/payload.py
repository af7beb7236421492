"""Conversion of a product and one of its media items to the payload of a point, and back.

Fields of the product are at the top level under their own names, for filters and facets. Keys that begin with "_"
belong to the catalog. Every point of a product has all its fields. Exactly one is `_primary`: it represents the product
in counts, lists and text search.
"""

import uuid
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from snapfind.core.types import Attribute, Kind, Picture, Product, check_characters
from snapfind.index.html_text import plain_line, plain_text

__all__ = [
    "FIXED",
    "RESERVED",
    "SYSTEM",
    "picture_of",
    "point_id",
    "product_of",
    "to_payload",
    "without_read",
    "words_of",
]

FIXED: dict[str, Kind] = {
    "title": "text",
    "price": "number",
    "brand": "text",
    "category": "text",
    "description": "text",
}
SYSTEM: dict[str, Kind] = {"_product": "text", "_primary": "bool", "_hash": "text"}
RESERVED = frozenset({"id", "picture", *FIXED})
_BETWEEN = " \n"
_LABELS = ("title", "brand", "category")  # shown, listed and filtered by: stored without markup
_NAMESPACE = uuid.UUID("6f1d3f6e-9d0f-5f0c-8a53-8a4a0e3c51aa")


def point_id(product: str, picture: str, ordinal: int = 0) -> str:
    """Compute the id of a point, which is the same in every catalog.

    Args:
        product: Id of the product.
        picture: Name of the media file within the product.
        ordinal: Position of the media item in the file, from 0. An image has only item 0.

    Returns:
        A UUID as text.

    Raises:
        BadInput: A text holds a lone surrogate.
    """
    check_characters(product, "product")
    check_characters(picture, "picture")
    further = f"\0{ordinal}" if ordinal else ""
    return str(uuid.uuid5(_NAMESPACE, f"{product}\0{picture}{further}"))


def to_payload(product: Product, picture: Picture, *, primary: bool) -> dict[str, Any]:
    """Convert a product and one of its media items to a payload.

    Empty fields are left out. Dates become ISO 8601 texts. Title, brand and category are stored without HTML, a
    description as the shop wrote it.

    Args:
        product: The product.
        picture: The media item.
        primary: Whether the point represents the product.

    Returns:
        The payload.
    """
    fields: dict[str, Any] = {name: getattr(product, name) for name in FIXED}
    fields |= {name: plain_line(fields[name]) for name in _LABELS}
    fields.update(product.attributes)
    payload = {name: _plain(value) for name, value in fields.items() if value not in ("", None, ())}
    system: dict[str, Any] = {
        "_product": product.id,
        "_picture": picture.name,
        "_primary": primary,
        "_hash": picture.hash,
        "_width": picture.width,
        "_height": picture.height,
    }
    return payload | system | _media_fields(picture)


def _media_fields(picture: Picture) -> dict[str, Any]:
    """Return the fields that only some items have: of a segment, and the text that was read in an image."""
    fields = {
        "_kind": picture.kind,
        "_item": picture.ordinal,
        "_start": picture.start,
        "_end": picture.end,
        "_read": picture.read,
    }
    defaults = {"_kind": "image", "_item": 0}
    return {name: value for name, value in fields.items() if value != defaults.get(name)}


def product_of(payload: Mapping[str, Any], schema: Mapping[str, Kind], pictures: tuple[Picture, ...] = ()) -> Product:
    """Convert a payload to a product.

    Args:
        payload: Payload of any point of the product.
        schema: Kinds of the attributes.
        pictures: Media items of the product.

    Returns:
        The product.
    """
    attributes = {
        name: _typed(value, schema.get(name, "text"))
        for name, value in payload.items()
        if not name.startswith("_") and name not in FIXED
    }
    fixed = {name: payload[name] for name in FIXED if name in payload}
    return Product(id=str(payload["_product"]), attributes=attributes, pictures=pictures, **fixed)


def picture_of(payload: Mapping[str, Any]) -> Picture:
    """Convert a payload to its media item.

    Args:
        payload: Payload of a point.

    Returns:
        The item.
    """
    return Picture(
        name=str(payload["_picture"]),
        hash=str(payload.get("_hash", "")),
        width=int(payload.get("_width", 0)),
        height=int(payload.get("_height", 0)),
        kind=str(payload.get("_kind", "image")),
        ordinal=int(payload.get("_item", 0)),
        start=payload.get("_start"),
        end=payload.get("_end"),
        read=payload.get("_read"),
    )


def words_of(product: Product, read: str | None = None) -> str:
    """Return the text of a product for BM25 and the text encoder.

    Args:
        product: The product.
        read: Text that was read in its primary picture.

    Returns:
        Title, brand, category, id, text attributes and description, without HTML. Then the text that was read.
    """
    attributes = (value for value in product.attributes.values() if isinstance(value, (str, tuple)))
    texts = (" ".join(value) if isinstance(value, tuple) else value for value in attributes)
    labels = (plain_line(part) for part in (product.title, product.brand, product.category))
    parts = (*labels, product.id, *map(plain_text, texts), plain_text(product.description), read or "")
    return _BETWEEN.join(part for part in parts if part.strip())


def without_read(words: str, payload: Mapping[str, Any]) -> str:
    """Return the text that the shop wrote, for the text encoder: read text has errors, which change an embedding.

    Args:
        words: Words of a point, by `words_of`.
        payload: Payload of the point.

    Returns:
        The words without the text that was read in the picture.
    """
    read = payload.get("_read")
    return words.removesuffix(_BETWEEN + str(read)) if read else words


def _plain(value: Attribute) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def _typed(value: Any, kind: Kind) -> Attribute:
    if kind == "date" and isinstance(value, str):
        return datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
    return tuple(value) if isinstance(value, list) else value
