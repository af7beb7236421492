"""Products handed over as values with the bytes of their pictures, as the same stream of items that a table gives."""

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
    """Products and their pictures by name; a product without any picture changes the fields of one that is there."""

    given: Sequence[tuple[Product, Mapping[str, bytes]]]
    schema: Mapping[str, Kind] = field(default_factory=dict)
    note_log: Notes = field(default_factory=Notes)

    @classmethod
    def of(cls, given: Sequence[tuple[Product, Mapping[str, bytes]]], known: Mapping[str, Kind]) -> "Uploads":
        """Settle the kind of each attribute; `known` kinds win. Raises BadInput for too many attributes.

        A string is a text or a date: what looks like a number in it may be a size, of which the next one is XL.
        """
        seen: dict[str, set[Kind | None]] = {}
        for product, _ in given:
            for name, value in product.attributes.items():
                if _may_be_named(name):
                    seen.setdefault(name, set()).add(typed_kind_of(value))
        schema = {name: known.get(name) or merge_kinds(kinds) for name, kinds in seen.items()}
        if len({**known, **schema}) > MOST_ATTRIBUTES:
            raise BadInput(f"more than {MOST_ATTRIBUTES:,} attributes in one catalog; use fewer columns")
        return cls(given, schema)

    @property
    def total(self) -> int:
        """Pictures, and products without any."""
        return sum(max(1, len(pictures)) for _, pictures in self.given)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out although every product is in; complete when all items were read."""
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
        """The product with plain values. Raises BadRow for an attribute whose name is taken."""
        attributes: dict[str, Attribute] = {}
        for name, value in product.attributes.items():
            try:
                attributes |= _typed({name: value}, self.schema)
            except BadRow as error:
                if not _may_be_named(name):
                    raise
                self.note_log.leave_out(name, product.id, error.message)
        fixed: dict[str, Any] = {name: _fixed(name, getattr(product, name)) for name in FIXED}
        return replace(product, id=text_of(product.id), attributes=attributes, **fixed)


def apply_changes(product: Product, changes: Mapping[str, Any], schema: Mapping[str, Kind]) -> Product:
    """A product with some fields set anew, `None` empties one. Raises BadRow for a value of another kind."""
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
    """A built-in field as a plain value, whatever library it comes from. Raises BadRow for a price that is none."""
    if FIXED[name] == "text":
        return text_of(value)
    number = value_of(value, "number", name)
    return None if number is None else float(number)  # type: ignore[arg-type]


def _typed(attributes: Mapping[str, Any], schema: Mapping[str, Kind]) -> dict[str, Attribute]:
    typed = {}
    for name, value in attributes.items():
        if not _may_be_named(name):
            raise BadRow(f"attribute {name[:40]!r}: a name has 1 to 64 characters, and none that is taken", field=name)
        found = value_of(value, schema.get(name) or merge_kinds({typed_kind_of(value)}), name)
        if found is not None:
            typed[name] = found
    return typed


def _may_be_named(name: str) -> bool:
    return 0 < len(name) <= 64 and name.isprintable() and not name.startswith("_") and name not in RESERVED
