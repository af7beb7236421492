"""Convert JSON of the server to value types, and queries to JSON."""

import base64
import io
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from PIL import Image

from snapfind.catalog.ingest.cells import plain, text_of
from snapfind.core.errors import BadInput, BadPicture, BadQuery
from snapfind.core.query import OPTIONS, Query, QueryTerm
from snapfind.core.types import Answer, Box, CategoryGuess, Group, Hit, Picture, Product, Region
from snapfind.index.payload import FIXED

__all__ = [
    "ServedAnswer",
    "answer_of",
    "base64_of",
    "field_json",
    "plain_json",
    "product_of",
    "query_json",
    "term_json",
]


@dataclass(frozen=True, slots=True)
class ServedAnswer(Answer):
    """An answer of a server. `id` is the id of the search, which events refer to."""

    id: str = ""


def answer_of(reply: dict[str, Any]) -> ServedAnswer:
    """Convert the reply to a search."""
    return ServedAnswer(
        hits=tuple(_hit(hit) for hit in reply["hits"]),
        timings=reply["timings"],
        box=_box(reply["box"]),
        regions=tuple(_region(region) for region in reply["regions"]),
        categories=tuple(CategoryGuess(**guess) for guess in reply["categories"]),
        groups=tuple(
            Group(_region(group["region"]), tuple(_hit(hit) for hit in group["hits"])) for group in reply["groups"]
        ),
        id=reply["request_id"],
        space=reply["space"],
    )


def product_of(reply: dict[str, Any]) -> Product:
    """Convert a product. Dates stay ISO 8601 texts."""
    fixed = {name: reply[name] for name in ("id", "title", "price", "brand", "category", "description")}
    attributes = {
        name: tuple(value) if isinstance(value, list) else value for name, value in reply["attributes"].items()
    }
    return Product(**fixed, attributes=attributes, pictures=tuple(_picture(one) for one in reply["pictures"]))


def query_json(query: Query) -> dict[str, Any]:
    """Convert a query to the body of a search.

    Raises:
        BadQuery: A photo is marked. Servers accept marked products only.
    """
    if any(mark.product is None for mark in query.marked):
        raise BadQuery("a server accepts only product ids as marks, not photos", field="marked")
    body: dict[str, Any] = {
        "terms": [term_json(term) for term in query.terms],
        "right": [mark.product for mark in query.marked if mark.weight > 0],
        "wrong": [mark.product for mark in query.marked if mark.weight < 0],
    }
    options = {name: getattr(query, name) for name in OPTIONS}
    return body | {name: value for name, value in options.items() if value != OPTIONS[name].default}


def term_json(term: QueryTerm) -> dict[str, Any]:
    """Convert a query term. Photos are base64-encoded."""
    body: dict[str, Any] = {"weight": term.weight}
    if term.photo is not None:
        body["photo"] = base64_of(term.photo)
    elif term.text is not None:
        body["text"] = term.text
    else:
        body["product"] = term.product
    return body | ({"box": term.box.as_tuple()} if term.box else {})


def base64_of(photo: Any) -> str:
    """Encode a photo (path, bytes, PIL image) in base64.

    Raises:
        BadPicture: The file cannot be read.
    """
    if isinstance(photo, Image.Image):
        buffer = io.BytesIO()
        # keep transparency: the server chooses the background color
        photo.convert("RGBA" if photo.has_transparency_data else "RGB").save(buffer, "PNG")
        photo = buffer.getvalue()
    if not isinstance(photo, bytes):
        try:
            photo = Path(photo).read_bytes()
        except OSError as error:
            raise BadPicture(f"{photo} cannot be read ({error.strerror})", code="picture_missing") from None
    return base64.b64encode(photo).decode()


def plain_json(value: Any) -> Any:
    """Convert the value of an attribute to JSON, including values of NumPy and pandas.

    Raises:
        BadInput: The value is bytes.
    """
    value = plain(value)
    if isinstance(value, bytes):
        raise BadInput("an attribute cannot be bytes; use a text")
    if isinstance(value, (list, dict)):
        return [text for item in value if (text := text_of(item))] if isinstance(value, list) else text_of(value)
    return value.isoformat() if isinstance(value, date) else value


def field_json(name: str, value: Any) -> Any:
    """Convert the value of a built-in field to JSON."""
    if value is None or FIXED[name] == "number":
        return plain(value)
    return text_of(value)


def _hit(reply: dict[str, Any]) -> Hit:
    return Hit(
        product=product_of(reply["product"]),
        picture=_picture(reply["picture"]),
        score=reply["score"],
        verdict=reply["verdict"],
        box=_box(reply["box"]),
        parts=reply["parts"],
    )


def _picture(reply: dict[str, Any]) -> Picture:
    media = {name: reply[name] for name in ("kind", "ordinal", "start", "end")}
    return Picture(reply["name"], width=reply["width"], height=reply["height"], box=_box(reply["box"]), **media)


def _region(reply: dict[str, Any]) -> Region:
    return Region(Box(*reply["box"]), reply["score"])


def _box(sides: list[float] | None) -> Box | None:
    return Box(*sides) if sides else None
