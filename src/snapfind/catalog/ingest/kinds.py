"""Kinds of attributes: detection of the kind of a column, and conversion of cells."""

import re
from collections.abc import Set
from datetime import date, datetime
from typing import Any

from snapfind.catalog.ingest.cells import EXACT, is_placeholder, plain, text_of
from snapfind.catalog.ingest.numbers import PLAIN, Numbers
from snapfind.catalog.ingest.picture_names import json_list
from snapfind.core.errors import BadRow
from snapfind.core.types import Attribute, Kind
from snapfind.index.payload import FIXED

__all__ = ["MOST_ATTRIBUTES", "is_code", "kind_of", "merge_kinds", "typed_kind_of", "value_of"]

MOST_ATTRIBUTES = 1000  # each attribute has an index
_DIGITS = 12  # whole numbers with so many digits are codes (GTIN, ids of shop systems)
_INTEGER, _LONGEST = 2**63, 20  # the engine stores whole numbers below 2**63
_CODES = frozenset(["gtin", "ean", "upc", "isbn", "barcode", "mpn", "asin", "sku", "zip", "postcode", "phone"])
_TRUE, _FALSE = {"true", "yes", "y", "on", "1"}, {"false", "no", "n", "off", "0"}
_WORDS = {"true", "yes", "false", "no"}


def is_code(column: str) -> bool:
    """Tell whether the name of a column says that it has codes, such as GTINs, which are not numbers.

    Args:
        column: Name of the column.

    Returns:
        True for codes.
    """
    return bool(_CODES & set(re.split(r"[\W_]+", column.lower())))


def kind_of(value: Any) -> Kind | None:
    """Detect the kind of a cell of a table.

    A number with leading zeros, or with twelve or more digits, is a text, because it is a code.

    Args:
        value: The cell.

    Returns:
        The kind, or None for an empty cell and for a placeholder such as `n/a`.
    """
    value = plain(value)
    if isinstance(value, str) and value and not is_placeholder(value):
        return _kind_of_text(value)
    return None if isinstance(value, str) else typed_kind_of(value)


def typed_kind_of(value: Any) -> Kind | None:
    """Return the kind of a typed value. A string is a text or a date, also if it looks like a number.

    Args:
        value: The value.

    Returns:
        The kind, or None for an empty value.
    """
    value = plain(value)
    if value is None or value == "" or isinstance(value, bytes):
        return None
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number" if not isinstance(value, int) or abs(value) <= EXACT else "text"
    if isinstance(value, list):
        return "list"
    return "date" if isinstance(value, date) or (isinstance(value, str) and _date(value) is not None) else "text"


def _kind_of_text(text: str) -> Kind:
    if PLAIN.fullmatch(text):
        finite = abs(float(text)) <= EXACT or not text.lstrip("+-").isdigit()
        return (
            "number" if finite and float(text) not in {float("inf"), -float("inf")} and not _is_long(text) else "text"
        )
    if text.startswith("[") and json_list(text):
        return "list"
    if text.lower() in _WORDS:
        return "bool"
    return "date" if _date(text) is not None else "text"


def _is_long(text: str) -> bool:
    return text.isdigit() and len(text) >= _DIGITS


def merge_kinds(kinds: Set[Kind | None]) -> Kind:
    """Determine the kind of a column from the kinds of its cells.

    Args:
        kinds: Kinds of the cells. None: an empty cell.

    Returns:
        `list` if there is a list, else the kind of all filled cells, else `text`.
    """
    filled = {kind for kind in kinds if kind is not None}
    if "list" in filled:
        return "list"
    return next(iter(filled)) if len(filled) == 1 else "text"


def value_of(value: Any, kind: Kind, name: str, numbers: Numbers | None = None) -> Attribute | None:
    """Convert a cell to the kind of its column.

    Args:
        value: The cell.
        kind: Kind of the column.
        name: Name of the column, for messages.
        numbers: Number format of the column, if it can differ from `12.5`.

    Returns:
        The value, or None for an empty cell.

    Raises:
        BadRow: The cell is of another kind.
    """
    cell = plain(value)
    if cell is None or cell == "":
        return None
    if isinstance(cell, bytes):
        raise BadRow(f"{name}: an attribute cannot be bytes", field=name)
    if kind == "list":
        return _items(cell) or None
    if kind == "text":
        return "|".join(_items(cell)) if isinstance(cell, list) else text_of(cell)
    if isinstance(cell, str) and is_placeholder(cell):
        return None
    converted: Attribute | None
    if kind == "number":
        converted = _number(cell, name, numbers)
    elif kind == "bool":
        converted = _bool(cell)
    else:
        converted = cell if isinstance(cell, date) else _date(cell) if isinstance(cell, str) else None
    if converted is None:
        text, also = text_of(cell)[:40], "" if name in FIXED else f", or use texts for all: --column {name}:text"
        raise BadRow(f"{name}: {text!r} is not a {kind}; {_HINTS[kind]}{also}", field=name)
    return converted


_HINTS = {
    "number": "write it like 12.5, without a currency",
    "bool": "write true or false",
    "date": "write it like 2026-01-31",
}


def _items(cell: Any) -> tuple[str, ...]:
    """Return the filled items of a list, or of a text with bars between items."""
    if isinstance(cell, str):
        texts = json_list(cell)
        cell = cell.split("|") if texts is None else texts
    items = cell if isinstance(cell, list) else [cell]
    return tuple(text for item in items if (text := text_of(item)))


def _number(cell: Any, name: str, numbers: Numbers | None) -> int | float | None:
    if isinstance(cell, str) and re.fullmatch(r"[+-]?(0|[1-9]\d*)", cell) and not (numbers and numbers.are_mixed):
        cell = int(cell) if len(cell) <= _LONGEST else None  # float would lose digits
    elif isinstance(cell, str) and numbers:
        try:
            cell = numbers.read(cell)
        except ValueError as error:
            raise BadRow(f"{name}: {cell[:40]!r} is not a number; {error}", field=name) from None
    elif isinstance(cell, str) and PLAIN.fullmatch(cell):
        cell = plain(float(cell))
    if isinstance(cell, bool) or not isinstance(cell, (int, float)):
        return None
    if isinstance(cell, int):
        return cell if abs(cell) < _INTEGER else None
    return int(cell) if cell.is_integer() and abs(cell) <= EXACT else cell


def _bool(cell: Any) -> bool | None:
    if isinstance(cell, bool):
        return cell
    text = text_of(cell).lower()
    return True if text in _TRUE else False if text in _FALSE else None


def _date(text: str) -> date | datetime | None:
    text = text.strip()
    if not re.match(r"\d{4}-\d{2}-\d{2}", text):
        return None
    try:
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError:
        return None
