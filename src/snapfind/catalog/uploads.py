"""Products handed over as values with the bytes of their pictures, as the same stream of items that a table gives."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from snapfind.catalog.columns import kind_of, settle, value_of
from snapfind.catalog.sources import Failure, Item
from snapfind.errors import BadInput, BadRow
from snapfind.index.payload import FIXED, RESERVED
from snapfind.types import Attribute, Kind, Product

__all__ = ["Uploads", "changed"]

_MOST_FIELDS = 1000  # each attribute of a shop is an index of its own


@dataclass(frozen=True, slots=True)
class Uploads:
    """Products and their pictures by name; a product without any picture changes the fields of one that is there."""

    given: Sequence[tuple[Product, Mapping[str, bytes]]]
    schema: Mapping[str, Kind] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Sequence[tuple[Product, Mapping[str, bytes]]], known: Mapping[str, Kind]) -> "Uploads":
        """Settle the kind of each attribute; `known` kinds win. Raises BadInput for too many attributes."""
        seen: dict[str, set[Kind | None]] = {}
        for product, _ in given:
            for name, value in product.attributes.items():
                if _may_be_named(name):
                    seen.setdefault(name, set()).add(kind_of(value))
        schema = {name: known.get(name) or settle(kinds) for name, kinds in seen.items()}
        if len({**known, **schema}) > _MOST_FIELDS:
            raise BadInput(f"more than {_MOST_FIELDS:,} attributes in one catalogue; use fewer columns")
        return cls(given, schema)

    @property
    def total(self) -> int:
        """Pictures, and products without any."""
        return sum(max(1, len(pictures)) for _, pictures in self.given)

    def __iter__(self) -> Iterator[Item | Failure | Product]:
        for product, pictures in self.given:
            try:
                typed = replace(product, attributes=_typed(product.attributes, self.schema))
            except BadRow as error:
                yield Failure(product.id, error.code, "", error.message)
                continue
            if not pictures:
                yield typed
            for name, content in pictures.items():
                yield Item(typed, name, Path(name), content)


def changed(product: Product, changes: Mapping[str, Any], schema: Mapping[str, Kind]) -> Product:
    """A product with some fields set anew, `None` empties one. Raises BadRow for a value of another kind."""
    fixed: dict[str, Any] = {}
    attributes = dict(product.attributes)
    for name, value in changes.items():
        if name in FIXED:
            fixed[name] = value if value is not None or name == "price" else ""
        elif value is None:
            attributes.pop(name, None)
        else:
            attributes |= _typed({name: value}, schema)
    return replace(product, attributes=attributes, **fixed)


def _typed(attributes: Mapping[str, Any], schema: Mapping[str, Kind]) -> dict[str, Attribute]:
    typed = {}
    for name, value in attributes.items():
        if not _may_be_named(name):
            raise BadRow(f"attribute {name[:40]!r}: a name has 1 to 64 characters, and none that is taken", field=name)
        found = value_of(value, schema.get(name) or settle({kind_of(value)}), name)
        if found is not None:
            typed[name] = found
    return typed


def _may_be_named(name: str) -> bool:
    return 0 < len(name) <= 64 and name.isprintable() and not name.startswith("_") and name not in RESERVED
