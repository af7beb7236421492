"""JSON of the server as the library's values, and queries as JSON."""

import base64
import io
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from PIL import Image

from snapfind.catalog.ingest.cells import plain, text_of
from snapfind.core.errors import BadInput, BadPicture, BadQuery
from snapfind.core.types import Answer, Box, CategoryGuess, Group, Hit, Like, Picture, Product, Query, Region
from snapfind.index.payload import FIXED

__all__ = [
    "ServedAnswer",
    "answer_of",
    "base64_of",
    "field_json",
    "like_json",
    "plain_json",
    "product_of",
    "query_json",
]


@dataclass(frozen=True, slots=True)
class ServedAnswer(Answer):
    """An answer with what events about it need: the `id` of the search."""

    id: str = ""


def answer_of(found: dict[str, Any]) -> ServedAnswer:
    """The reply to a search."""
    return ServedAnswer(
        hits=tuple(_hit(hit) for hit in found["hits"]),
        timings=found["timings"],
        box=_box(found["box"]),
        regions=tuple(_region(region) for region in found["regions"]),
        categories=tuple(CategoryGuess(**guess) for guess in found["categories"]),
        groups=tuple(
            Group(_region(group["region"]), tuple(_hit(hit) for hit in group["hits"])) for group in found["groups"]
        ),
        id=found["request_id"],
        space=found["space"],
    )


def product_of(found: dict[str, Any]) -> Product:
    """A product; dates stay the texts that JSON has."""
    fixed = {name: found[name] for name in ("id", "title", "price", "brand", "category", "description")}
    attributes = {
        name: tuple(value) if isinstance(value, list) else value for name, value in found["attributes"].items()
    }
    return Product(**fixed, attributes=attributes, pictures=tuple(_picture(one) for one in found["pictures"]))


def query_json(query: Query) -> dict[str, Any]:
    """A query as the body of a search. Raises BadQuery for a photo that is marked: a server takes products only."""
    if any(mark.product is None for mark in query.marked):
        raise BadQuery("a server takes products as marks, not photos; give ids", field="marked")
    body: dict[str, Any] = {
        "likes": [like_json(like) for like in query.likes],
        "regions": query.regions,
        "right": [mark.product for mark in query.marked if mark.weight > 0],
        "wrong": [mark.product for mark in query.marked if mark.weight < 0],
        "order": query.order,
        "recent": list(query.recent),
    }
    return body | {name: value for name in ("filter", "category") if (value := getattr(query, name)) is not None}


def like_json(like: Like) -> dict[str, Any]:
    """One ingredient; a photo as base64."""
    body: dict[str, Any] = {"weight": like.weight}
    if like.photo is not None:
        body["photo"] = base64_of(like.photo)
    elif like.text is not None:
        body["text"] = like.text
    else:
        body["product"] = like.product
    return body | ({"box": like.box.as_tuple()} if like.box else {})


def base64_of(photo: Any) -> str:
    """A photo (path, bytes, PIL image) as base64 of a file. Raises BadPicture."""
    if isinstance(photo, Image.Image):
        written = io.BytesIO()
        # with its transparency: the server chooses the ground that the product shows on
        photo.convert("RGBA" if photo.has_transparency_data else "RGB").save(written, "PNG")
        photo = written.getvalue()
    if not isinstance(photo, bytes):
        try:
            photo = Path(photo).read_bytes()
        except OSError as error:
            raise BadPicture(f"{photo} cannot be read ({error.strerror})", code="picture_missing") from None
    return base64.b64encode(photo).decode()


def plain_json(value: Any) -> Any:
    """A value of an attribute as JSON has it, whatever library it comes from. Raises BadInput for bytes."""
    value = plain(value)
    if isinstance(value, bytes):
        raise BadInput("an attribute cannot hold bytes; give a text")
    if isinstance(value, (list, dict)):
        return [text for item in value if (text := text_of(item))] if isinstance(value, list) else text_of(value)
    return value.isoformat() if isinstance(value, date) else value


def field_json(name: str, value: Any) -> Any:
    """A built-in field as JSON has it."""
    if value is None or FIXED[name] == "number":
        return plain(value)
    return text_of(value)


def _hit(found: dict[str, Any]) -> Hit:
    return Hit(
        product=product_of(found["product"]),
        picture=_picture(found["picture"]),
        score=found["score"],
        verdict=found["verdict"],
        box=_box(found["box"]),
        parts=found["parts"],
    )


def _picture(found: dict[str, Any]) -> Picture:
    return Picture(found["name"], width=found["width"], height=found["height"], box=_box(found["box"]))


def _region(found: dict[str, Any]) -> Region:
    return Region(Box(*found["box"]), found["score"])


def _box(sides: list[float] | None) -> Box | None:
    return Box(*sides) if sides else None
