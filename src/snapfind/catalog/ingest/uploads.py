"""Products as values with the bytes of their pictures, as a stream of items."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from snapfind.catalog.ingest.cells import text_of
from snapfind.catalog.ingest.items import Failure, Item
from snapfind.catalog.ingest.kinds import MOST_ATTRIBUTES, merge_kinds, typed_kind_of, value_of
from snapfind.catalog.ingest.notes import Notes
from snapfind.core.errors import BadInput, BadRow
from snapfind.core.types import Attribute, Kind, Product
from snapfind.index.payload import FIXED, RESERVED

__all__ = ["Uploads", "apply_changes"]


@dataclass(frozen=True, slots=True)
class Uploads:
    """Products with their pictures. One without pictures changes the fields of a stored product.

    Attributes:
        given: Products, and bytes of their pictures by name.
        schema: Kinds of the attributes.
        note_log: Collects notes while the items are read.
    """

    given: Sequence[tuple[Product, Mapping[str, bytes]]]
    schema: Mapping[str, Kind] = field(default_factory=dict)
    note_log: Notes = field(default_factory=Notes)

    @classmethod
    def of(cls, given: Sequence[tuple[Product, Mapping[str, bytes]]], known: Mapping[str, Kind]) -> "Uploads":
        """Determine the kind of each attribute.

        A string is a text or a date. If it looks like a number, it may be a size, and the next one XL.

        Args:
            given: Products, and bytes of their pictures by name.
            known: Kinds of the attributes that the catalog has. They override detected kinds.

        Returns:
            The uploads.

        Raises:
            BadInput: There are too many attributes.
        """
        kinds_by_name: dict[str, set[Kind | None]] = {}
        for product, _ in given:
            for name, value in product.attributes.items():
                if _is_valid_name(name):
                    kinds_by_name.setdefault(name, set()).add(typed_kind_of(value))
        schema = {name: known.get(name) or merge_kinds(kinds) for name, kinds in kinds_by_name.items()}
        if len({**known, **schema}) > MOST_ATTRIBUTES:
            raise BadInput(f"more than {MOST_ATTRIBUTES:,} attributes in one catalog; use fewer columns")
        return cls(given, schema)

    @property
    def total(self) -> int:
        """Number of pictures, and of products without pictures."""
        return sum(max(1, len(pictures)) for _, pictures in self.given)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on what was left out. They are complete after all items were read."""
        return self.note_log.all()

    def __iter__(self) -> Iterator[Item | Failure | Product]:
        for product, pictures in self.given:
            try:
                typed = self._typed(product)
            except BadRow as error:
                yield Failure(product.id, error.code, "", error.message)
                continue
            if not pictures:
                yield typed
            for name, content in pictures.items():
                yield Item(typed, name, Path(name), content)

    def _typed(self, product: Product) -> Product:
        """Return the product with plain values. Raise BadRow for an attribute with a reserved name."""
        attributes: dict[str, Attribute] = {}
        for name, value in product.attributes.items():
            try:
                attributes |= _typed({name: value}, self.schema)
            except BadRow as error:
                if not _is_valid_name(name):
                    raise
                self.note_log.leave_out(name, product.id, error.message)
        fixed: dict[str, Any] = {name: _fixed(name, getattr(product, name)) for name in FIXED}
        return replace(product, id=text_of(product.id), attributes=attributes, **fixed)


def apply_changes(product: Product, changes: Mapping[str, Any], schema: Mapping[str, Kind]) -> Product:
    """Change fields of a product.

    Args:
        product: The product.
        changes: New values by field. None empties a field.
        schema: Kinds of the attributes.

    Returns:
        The changed product.

    Raises:
        BadRow: A value is of another kind.
    """
    fixed: dict[str, Any] = {}
    attributes = dict(product.attributes)
    for name, value in changes.items():
        if name in FIXED:
            fixed[name] = _fixed(name, value)
        elif value is None:
            attributes.pop(name, None)
        else:
            attributes.pop(name, None)
            attributes |= _typed({name: value}, schema)
    return replace(product, attributes=attributes, **fixed)


def _fixed(name: str, value: Any) -> str | float | None:
    """Return a built-in field as a plain value. Raise BadRow for an invalid price."""
    if FIXED[name] == "text":
        return text_of(value)
    number = value_of(value, "number", name)
    return None if number is None else float(number)  # type: ignore[arg-type]


def _typed(attributes: Mapping[str, Any], schema: Mapping[str, Kind]) -> dict[str, Attribute]:
    typed = {}
    for name, value in attributes.items():
        if not _is_valid_name(name):
            raise BadRow(f"attribute {name[:40]!r}: a name has 1 to 64 characters and is not reserved", field=name)
        converted = value_of(value, schema.get(name) or merge_kinds({typed_kind_of(value)}), name)
        if converted is not None:
            typed[name] = converted
    return typed


def _is_valid_name(name: str) -> bool:
    return 0 < len(name) <= 64 and name.isprintable() and not name.startswith("_") and name not in RESERVED
