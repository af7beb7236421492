"""Meaning of the columns of a table, and conversion of a row to a product with its pictures."""

import difflib
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, get_args

from snapfind.catalog.ingest.cells import plain, text_of
from snapfind.catalog.ingest.kinds import MOST_ATTRIBUTES, value_of
from snapfind.catalog.ingest.notes import Notes
from snapfind.catalog.ingest.numbers import Numbers
from snapfind.catalog.ingest.picture_names import names_in
from snapfind.core.errors import BadInput, BadRow
from snapfind.core.types import Kind, Product
from snapfind.index.payload import RESERVED

__all__ = ["Columns", "parse_columns"]

_ALIASES = {
    "id": ("id", "product_id", "product", "sku"),
    "title": ("title", "name", "product_name"),
    "price": ("price",),
    "brand": ("brand",),
    "category": ("category",),
    "description": ("description", "text"),
    "picture": ("picture", "pictures", "image", "images", "photo", "photos", "file", "path"),
}
_BYTES = "bytes"  # column with the picture itself, beside its name
Named = tuple[str, bytes | None]


class Columns:
    """Columns of one table, by meaning.

    Args:
        names: Names of the columns. Those that begin with `_` are ignored.
        table: Name of the table, for messages.
        chosen: Columns by meaning, if they have other names: {"id": "Handle"}.
        notes: Collects a note for each column that is renamed.

    Raises:
        BadInput: The column of the id, of the picture or a chosen one is missing, or there are too many columns.
    """

    def __init__(
        self, names: Iterable[str], table: str, chosen: Mapping[str, str] = {}, notes: Notes | None = None
    ) -> None:
        columns = [name for name in names if name.strip() and not name.startswith("_")]
        lower = {name.strip().lower(): name for name in reversed(columns)}
        for meaning, name in chosen.items():
            if meaning not in _ALIASES:
                raise BadInput(f"{meaning!r} is not a meaning of a column; supported: {', '.join(_ALIASES)}")
            if name.strip().lower() not in lower:
                raise BadInput(f"{table} has no column {name!r}{_near(name, columns)}", field=meaning)
        self.header_groups = self.groups(chosen)
        self.fixed = {
            meaning: lower[column]
            for meaning, aliases in _known(chosen).items()
            if (column := next((alias for alias in aliases if alias in lower), None))
        }
        for meaning in ("id", "picture"):
            if meaning not in self.fixed:
                near = _near(meaning, columns)
                raise BadInput(
                    f"{table} has no column {meaning!r}{near}, or name it: --column {meaning}=NAME",
                    field=meaning,
                )
        own = [name for name in columns if name not in self.fixed.values()]
        if len(own) > MOST_ATTRIBUTES:
            raise BadInput(f"{table} has {len(own):,} columns; the maximum is {MOST_ATTRIBUTES:,}")
        self.kinds: dict[str, Kind] = {}  # kinds in the header, as an export writes them: `tags:list`
        self.attributes = _attribute_names(own, self.kinds, notes)

    @staticmethod
    def groups(chosen: Mapping[str, str] = {}) -> tuple[tuple[str, ...], ...]:
        """Return the names by which a header is recognized.

        Args:
            chosen: Columns by meaning, if they have other names.

        Returns:
            Names of the id and of the pictures, in lower case. A header has one of each.
        """
        known = _known(chosen)
        return known["id"], known["picture"]

    def product(
        self,
        row: Mapping[str, Any],
        schema: Mapping[str, Kind],
        numbers: Mapping[str, Numbers] = {},
        notes: Notes | None = None,
    ) -> Product:
        """Convert a row to a product without pictures.

        A cell of another kind than its column is left out and noted.

        Args:
            row: Cells by column.
            schema: Kinds of the attributes.
            numbers: Number formats by column.
            notes: Counts cells that are left out.

        Returns:
            The product.

        Raises:
            BadRow: The id is missing or too long.
        """
        texts = {
            meaning: text_of(row.get(self.fixed[meaning]))
            for meaning in ("id", "title", "brand", "category", "description")
            if meaning in self.fixed
        }
        if not texts["id"]:
            raise BadRow("the id is empty; give each product one", field="id")
        notes = notes or Notes()
        price = _price(row, self.fixed.get("price", ""), numbers, texts["id"], notes)
        attributes = {}
        for column, name in self.attributes.items():
            if column == _BYTES and isinstance(row.get(column), (bytes, bytearray)):
                continue  # the picture
            try:
                value = value_of(row.get(column), schema.get(name, "text"), name, numbers.get(column))
            except BadRow as error:
                notes.leave_out(name, texts["id"], error.message)
            else:
                if value is not None:
                    attributes[name] = value
        try:
            return Product(price=price, attributes=attributes, **texts)  # type: ignore[arg-type]
        except BadInput as error:
            raise BadRow(error.message, field=error.field) from error

    def pictures(self, row: Mapping[str, Any], exists: Callable[[str], bool] = lambda _: False) -> tuple[Named, ...]:
        """Return the pictures of a row.

        Args:
            row: Cells by column.
            exists: Tells whether there is a file with a name.

        Returns:
            Names, and bytes if the row has them.

        Raises:
            BadRow: The row has no picture.
        """
        cell = plain(row.get(self.fixed["picture"]))
        content = plain(row.get(_BYTES)) if _BYTES in self.attributes else None
        if isinstance(cell, str) and isinstance(content, bytes):
            return ((cell or "picture-1", content),)
        pictures: dict[str, bytes | None] = {}
        for part in cell if isinstance(cell, list) else [cell]:
            pictures.update(_pictures_of(part, len(pictures) + 1, None if isinstance(cell, list) else exists))
        if not pictures:
            raise BadRow("the row has no picture; fill in that column", code="picture_missing", field="picture")
        return tuple(pictures.items())

    def names_none(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row names no picture.

        Args:
            row: Cells by column.

        Returns:
            True if the cell of the pictures is empty.
        """
        return not plain(row.get(self.fixed["picture"]))


def _known(chosen: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {**_ALIASES, **{meaning: (name.strip().lower(),) for meaning, name in chosen.items()}}


def _attribute_names(columns: Sequence[str], kinds: dict[str, Kind], notes: Notes | None) -> dict[str, str]:
    """Return the attribute of each column. A name of a built-in field gets a prefix."""
    names: dict[str, str] = {}
    used = {column.strip().lower() for column in columns} | RESERVED
    for column in columns:
        name, kind = _with_kind(column)
        if kind:
            kinds[name] = kind
        if name.lower() in RESERVED:
            name = _unused_name(f"other_{name}", used)
            used.add(name.lower())
            if notes:
                notes.say(
                    f"the column {column!r} is stored as {name!r}; another column is the {column.strip().lower()}"
                )
        names[column] = name
    return names


def _with_kind(column: str) -> tuple[str, Kind | None]:
    name, colon, kind = column.strip().rpartition(":")
    return (name.strip(), kind) if colon and name.strip() and kind in get_args(Kind) else (column.strip(), None)  # type: ignore[return-value]


def _unused_name(name: str, used: Collection[str]) -> str:
    numbered = (f"{name}_{number}" for number in itertools.count(2))
    return name if name.lower() not in used else next(each for each in numbered if each.lower() not in used)


def _price(
    row: Mapping[str, Any], column: str, numbers: Mapping[str, Numbers], product: str, notes: Notes
) -> float | None:
    try:
        value = value_of(row.get(column), "number", "price", numbers.get(column, Numbers()))
        if value is not None and float(value) < 0:  # type: ignore[arg-type]
            raise BadRow(f"price: {value} is negative")
    except BadRow as error:
        notes.leave_out("price", product, error.message)
        return None
    return None if value is None else float(value)  # type: ignore[arg-type]


def _pictures_of(cell: Any, number: int, exists: Callable[[str], bool] | None) -> Iterable[Named]:
    """Return the pictures of one part of a cell. Without `exists`, a text is one name, as in a list."""
    if isinstance(cell, bytes):
        return [(f"picture-{number}", cell)]
    if isinstance(cell, dict):  # pictures of Hugging Face, and links of shop systems
        content = cell.get(_BYTES)
        texts = (text_of(cell.get(key)) for key in ("path", "name", "src", "url"))
        name = next(filter(None, texts), "")
        if isinstance(content, bytes):
            return [(PurePosixPath(name.replace("\\", "/")).name or f"picture-{number}", content)]
        return [(name, None)] if name else []
    text = text_of(cell)
    if exists is None:
        return [(text, None)] if text else []
    return [(name, None) for name in names_in(text, exists)]


def parse_columns(texts: Iterable[str]) -> tuple[dict[str, str], dict[str, Kind]]:
    """Parse the column options of the command line and of forms.

    Args:
        texts: `id=Handle` for the column of the id, `size:text` for the kind of the column `size`.

    Returns:
        Columns by meaning, and kinds by column.

    Raises:
        BadInput: A text has another format.
    """
    chosen: dict[str, str] = {}
    kinds: dict[str, Kind] = {}
    for text in texts:
        meaning, equals, name = text.partition("=")
        column, colon, kind = text.rpartition(":")
        if colon and column.strip() and kind.strip() in get_args(Kind) and meaning.strip() not in _ALIASES:
            kinds[column.strip()] = kind.strip()  # type: ignore[assignment]
        elif equals and name.strip():
            chosen[meaning.strip()] = name.strip()
        else:
            reason = f"write id=Handle for its meaning, or size:text for its kind ({', '.join(get_args(Kind))})"
            raise BadInput(f"column {text!r}: {reason}", field="column")
    return chosen, kinds


def _near(name: str, columns: Iterable[str]) -> str:
    lower = {column.lower(): column for column in columns}
    near = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.75)
    return (
        f"; did you mean {lower[near[0]]!r}? Rename it"
        if near
        else f"; its columns are: {', '.join(lower.values()) or 'none'}; rename one"
    )
