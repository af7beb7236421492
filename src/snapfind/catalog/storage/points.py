"""Operations on points: scrolling, export rows, title vectors, and primary points of products."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from snapfind.core.types import Kind
from snapfind.encoders.base import Vectors
from snapfind.encoders.embedding_model import Model
from snapfind.index.base import Index, Point
from snapfind.index.filters import Filter, where
from snapfind.index.payload import picture_of, point_id, product_of, to_payload, without_read, words_of

__all__ = ["file_id", "items_of_file", "points_of", "promote", "rewrite", "row_of", "title_vectors"]

# UUIDs, and hexadecimal words with a digit
_HEX = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![^\W_])(?=[a-f]*\d)[0-9a-f]+(?![^\W_])", re.IGNORECASE
)
_WORD = re.compile(r"[^\W\d_]{3}|[\u3040-\u9fff\uac00-\ud7a3]")  # three letters; one sign of Chinese, Japanese, Korean


def points_of(index: Index, chosen: Filter | None = None, *, vectors: bool = False) -> Iterator[Point]:
    """Iterate over points.

    Args:
        index: The index.
        chosen: Filter, or None for all points.
        vectors: Also return the vectors.

    Yields:
        Points in order of id.
    """
    after: str | None = None
    while True:
        page = index.scroll(chosen, after=after, limit=256, vectors=vectors)
        yield from page.points
        if page.after is None:
            return
        after = page.after


def row_of(point: Point, *, vectors: bool) -> dict[str, Any]:
    """Convert a point to a row of an export, in the columns that `add` reads.

    Args:
        point: The point.
        vectors: Include the vectors.

    Returns:
        The row. `add` ignores columns that begin with "_".
    """
    payload = point.payload
    row: dict[str, Any] = {"id": payload["_product"]}
    row |= {
        name: value for name, value in payload.items() if not name.startswith("_") and name not in {"id", "picture"}
    }
    row |= {"picture": payload["_picture"]}
    row |= {name: payload[name] for name in ("_kind", "_item", "_start", "_end") if name in payload}
    if vectors:
        row["_vectors"] = {space: [round(float(x), 7) for x in vector] for space, vector in point.vectors.items()}
    return row


def title_vectors(points: Iterable[Point], model: Model) -> dict[str, dict[str, Vectors]]:
    """Encode the texts of primary points.

    A product with nothing but a number has no vector, which would be meaningless. BM25 finds the number.

    Args:
        points: Points with their words.
        model: Model with the text encoder.

    Returns:
        Space id -> point id -> (dim,) unit vector.
    """
    described = [point for point in points if _has_words(point)]
    if not described:
        return {}
    spaces = model.encode_document_texts([without_read(point.words, point.payload) for point in described])
    return {space: {point.id: row for point, row in zip(described, rows)} for space, rows in spaces.items()}


def rewrite(index: Index, points: Sequence[Point], model: Model) -> None:
    """Replace payload, words and title vectors of stored points. Image vectors stay.

    Args:
        index: The index.
        points: Points with new payload and words.
        model: Model with the text encoder.
    """
    for point in points:
        index.put_payload([point.id], point.payload, point.words)
    for space, rows in title_vectors(points, model).items():
        index.put_vectors(space, rows)
    _delete_title_vectors(
        index, [point for point in points if point.words and not _has_words(point)], model.text.space.id
    )


def _delete_title_vectors(index: Index, points: Sequence[Point], space: str) -> None:
    """Delete the title vectors of points whose title was removed."""
    if not points:
        return
    words = {point.id: point.words for point in points}
    stored = (point for point in index.get(list(words), vectors=True) if space in point.vectors)
    changed = [
        Point(one.id, {name: row for name, row in one.vectors.items() if name != space}, words[one.id], one.payload)
        for one in stored
    ]
    index.upsert(changed)


def _has_words(point: Point) -> bool:
    """Tell whether the words of a point are more than an id of digits, or a hash."""
    words = without_read(point.words, point.payload)
    if words != str(point.payload["_product"]):
        return bool(words)
    return bool(_WORD.search(_HEX.sub(" ", words)))


def file_id(point: Point) -> str:
    """Return the id of the first point of a media file.

    Args:
        point: Point of any item of the file.

    Returns:
        The id. For an image, it is that of the point.
    """
    if "_item" not in point.payload:
        return point.id
    return point_id(str(point.payload["_product"]), str(point.payload["_picture"]))


def items_of_file(index: Index, point: Point) -> list[Point]:
    """Return the points of a media file.

    Args:
        index: The index.
        point: Point of any item of the file.

    Returns:
        Points of all items. For an image, it is the point itself.
    """
    if "_kind" not in point.payload:
        return [point]
    others = points_of(index, where("_product", [str(point.payload["_product"])]))
    return [other for other in others if other.payload["_picture"] == point.payload["_picture"]]


def _place(point: Point) -> tuple[str, int]:
    return str(point.payload["_picture"]), int(point.payload.get("_item", 0))


def promote(index: Index, products: Sequence[str], model: Model, schema: dict[str, Kind]) -> None:
    """Give products without a primary point another one: the first by name.

    Args:
        index: The index.
        products: Product ids.
        model: Model with the text encoder.
        schema: Kinds of the attributes.
    """
    first: dict[str, Point] = {}
    for point in points_of(index, where("_product", list(products))):
        name = str(point.payload["_product"])
        if name not in first or _place(point) < _place(first[name]):
            first[name] = point
    chosen = []
    for point in first.values():
        product, picture = product_of(point.payload, schema), picture_of(point.payload)
        payload = to_payload(product, picture, primary=True)
        chosen.append(Point(point.id, {}, words_of(product, picture.read), payload))
    rewrite(index, chosen, model)
