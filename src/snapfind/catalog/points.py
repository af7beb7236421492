"""Walking the points of an index, as rows of a table, and keeping one point of each product its primary."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from snapfind.encoders.model import Model
from snapfind.encoders.port import Vectors
from snapfind.index.filters import Filter, where
from snapfind.index.payload import picture_of, product_of, to_payload, words_of
from snapfind.index.port import Index, Point
from snapfind.types import Kind

__all__ = ["points_of", "promote", "rewrite", "row_of", "title_vectors"]


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
    row |= {name: value for name, value in payload.items() if not name.startswith("_")}
    row |= {"picture": payload["_picture"]}
    row |= {name: payload[name] for name in ("_primary", "_hash", "_width", "_height")}
    if vectors:
        row["_vectors"] = {space: [round(float(x), 7) for x in vector] for space, vector in point.vectors.items()}
    return row


def title_vectors(points: Iterable[Point], model: Model) -> dict[str, dict[str, Vectors]]:
    """Space -> point id -> vector of its words, for the points that speak for their product."""
    speaking = [point for point in points if point.words]
    if not speaking:
        return {}
    spaces = model.titles([point.words for point in speaking])
    return {space: {point.id: row for point, row in zip(speaking, rows)} for space, rows in spaces.items()}


def rewrite(index: Index, points: Sequence[Point], model: Model) -> None:
    """Replace payload and words of stored points, and the vectors of their words; the pictures' vectors stay."""
    for point in points:
        index.put_payload([point.id], point.payload, point.words)
    for space, rows in title_vectors(points, model).items():
        index.put_vectors(space, rows)


def promote(index: Index, products: Sequence[str], model: Model, schema: dict[str, Kind]) -> None:
    """Give products whose primary point went another one, the first left by name; others are left as they are."""
    left: dict[str, Point] = {}
    for point in points_of(index, where("_product", list(products))):
        name = str(point.payload["_product"])
        if name not in left or point.payload["_picture"] < left[name].payload["_picture"]:
            left[name] = point
    chosen = []
    for point in left.values():
        product = product_of(point.payload, schema)
        payload = to_payload(product, picture_of(point.payload), primary=True)
        chosen.append(Point(point.id, {}, words_of(product), payload))
    rewrite(index, chosen, model)
