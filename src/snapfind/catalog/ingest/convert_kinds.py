"""Convert the stored values of attributes whose kind is changed."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice

from snapfind.catalog.ingest.diff import refresh_points
from snapfind.catalog.ingest.kinds import value_of
from snapfind.catalog.ingest.notes import Notes
from snapfind.catalog.storage.points import points_of, rewrite
from snapfind.core.errors import BadRow
from snapfind.core.types import Attribute, Kind, Product
from snapfind.encoders.embedding_model import Model
from snapfind.index.base import Index, Point
from snapfind.index.payload import product_of

__all__ = ["convert_attributes"]

_BATCH = 256  # points that are rewritten together


def convert_attributes(index: Index, model: Model, before: Mapping[str, Kind], after: Mapping[str, Kind]) -> list[str]:
    """Convert the values of attributes in all points to another kind.

    Args:
        index: Index with the points, in which the new kinds are declared.
        model: Encodes texts that change.
        before: Kinds of all attributes until now.
        after: New kinds of those that change.

    Returns:
        Notes on values that could not be converted and were removed.
    """
    notes = Notes()
    points = _convert_points(index, before, after, notes)
    while batch := list(islice(points, _BATCH)):
        rewrite(index, batch, model)
    return list(notes.all())


def _convert_points(
    index: Index, before: Mapping[str, Kind], after: Mapping[str, Kind], notes: Notes
) -> Iterator[Point]:
    for point in points_of(index):
        if after.keys() & point.payload.keys():
            product = _convert(product_of(point.payload, before), after, notes)
            yield from refresh_points([point], product)


def _convert(product: Product, after: Mapping[str, Kind], notes: Notes) -> Product:
    attributes: dict[str, Attribute] = dict(product.attributes)
    for name in after.keys() & attributes.keys():
        try:
            value = value_of(attributes.pop(name), after[name], name)
        except BadRow as error:
            notes.leave_out(name, product.id, error.message)
        else:
            if value is not None:
                attributes[name] = value
    return replace(product, attributes=attributes)
