"""Walking the points of an index, as rows of a table, and keeping one point of each product its primary."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from snapfind.core.types import Kind
from snapfind.encoders.base import Vectors
from snapfind.encoders.embedding_model import Model
from snapfind.index.base import Index, Point
from snapfind.index.filters import Filter, where
from snapfind.index.payload import picture_of, point_id, product_of, to_payload, words_of

__all__ = ["file_id", "items_of_file", "points_of", "promote", "rewrite", "row_of", "title_vectors"]

# UUIDs, and pieces that are hexadecimal with a digit among them
_HEX = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![^\W_])(?=[a-f]*\d)[0-9a-f]+(?![^\W_])", re.IGNORECASE
)
_WORD = re.compile(r"[^\W\d_]{3}|[\u3040-\u9fff\uac00-\ud7a3]")  # three letters; one sign of Chinese, Japanese, Korean


def points_of(index: Index, chosen: Filter | None = None, *, vectors: bool = False) -> Iterator[Point]:
    """Every point that fits, in order of point id, a page at a time."""
    after: str | None = None
    while True:
        page = index.scroll(chosen, after=after, limit=256, vectors=vectors)
        yield from page.points
        if page.after is None:
            return
        after = page.after


def row_of(point: Point, *, vectors: bool) -> dict[str, Any]:
    """A point in the columns that `add` reads; columns that begin with "_" are ignored when added again."""
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
    """Space -> point id -> vector of its words, for the points that speak for their product.

    A product of which nothing is known but a number has none: its vector would lie anywhere. BM25 finds the number.
    """
    speaking = [point for point in points if _says_something(point)]
    if not speaking:
        return {}
    spaces = model.encode_document_texts([point.words for point in speaking])
    return {space: {point.id: row for point, row in zip(speaking, rows)} for space, rows in spaces.items()}


def rewrite(index: Index, points: Sequence[Point], model: Model) -> None:
    """Replace payload and words of stored points, and the vectors of their words; the pictures' vectors stay."""
    for point in points:
        index.put_payload([point.id], point.payload, point.words)
    for space, rows in title_vectors(points, model).items():
        index.put_vectors(space, rows)
    _silence(index, [point for point in points if point.words and not _says_something(point)], model.text.space.id)


def _silence(index: Index, points: Sequence[Point], space: str) -> None:
    """Takes the vector of a title that went from the points that had one."""
    if not points:
        return
    words = {point.id: point.words for point in points}
    stored = (point for point in index.get(list(words), vectors=True) if space in point.vectors)
    told = [
        Point(one.id, {name: row for name, row in one.vectors.items() if name != space}, words[one.id], one.payload)
        for one in stored
    ]
    index.upsert(told)


def _says_something(point: Point) -> bool:
    """Whether its words hold more than an id of digits, or a hash."""
    if point.words != str(point.payload["_product"]):
        return bool(point.words)
    return bool(_WORD.search(_HEX.sub(" ", point.words)))


def file_id(point: Point) -> str:
    """Return the id of the first point of the media file that a point belongs to. For an image it is the point."""
    if "_item" not in point.payload:
        return point.id
    return point_id(str(point.payload["_product"]), str(point.payload["_picture"]))


def items_of_file(index: Index, point: Point) -> list[Point]:
    """Return the points of the media file that a point belongs to. For an image it is the point alone."""
    if "_kind" not in point.payload:
        return [point]
    others = points_of(index, where("_product", [str(point.payload["_product"])]))
    return [other for other in others if other.payload["_picture"] == point.payload["_picture"]]


def _place(point: Point) -> tuple[str, int]:
    return str(point.payload["_picture"]), int(point.payload.get("_item", 0))


def promote(index: Index, products: Sequence[str], model: Model, schema: dict[str, Kind]) -> None:
    """Give products whose primary point went another one, the first left by name; others are left as they are."""
    left: dict[str, Point] = {}
    for point in points_of(index, where("_product", list(products))):
        name = str(point.payload["_product"])
        if name not in left or _place(point) < _place(left[name]):
            left[name] = point
    chosen = []
    for point in left.values():
        product = product_of(point.payload, schema)
        payload = to_payload(product, picture_of(point.payload), primary=True)
        chosen.append(Point(point.id, {}, words_of(product), payload))
    rewrite(index, chosen, model)
