"""Kinds of attributes: guess the kind of a column, and convert a cell to the kind of its column."""

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

MOST_ATTRIBUTES = 1000  # each attribute of a shop is an index of its own
_DIGITS = 12  # whole numbers of as many digits are codes (GTIN, ids of shop systems), not quantities
_INTEGER, _LONGEST = 2**63, 20  # the engine stores whole numbers below it
_CODES = frozenset(["gtin", "ean", "upc", "isbn", "barcode", "mpn", "asin", "sku", "zip", "postcode", "phone"])
_TRUE, _FALSE = {"true", "yes", "y", "on", "1"}, {"false", "no", "n", "off", "0"}
_WORDS = {"true", "yes", "false", "no"}


def is_code(column: str) -> bool:
    """Whether a column holds codes by its name: digits of a GTIN are no number."""
    return bool(_CODES & set(re.split(r"[\W_]+", column.lower())))


def kind_of(value: Any) -> Kind | None:
    """The kind that a cell of a table looks like, None for an empty cell and for a placeholder such as `n/a`.

    A number with leading zeros or of twelve and more digits is a text: it is a code.
    """
    value = plain(value)
    if isinstance(value, str) and value and not is_placeholder(value):
        return _kind_of_text(value)
    return None if isinstance(value, str) else typed_kind_of(value)


def typed_kind_of(value: Any) -> Kind | None:
    """The kind of a value that has a type already: a string is a text or a date, whatever its characters."""
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
    """The kind of a column whose cells look like these: the one that all filled cells share, else text.

    A column with a list is one of lists.
    """
    filled = {kind for kind in kinds if kind is not None}
    if "list" in filled:
        return "list"
    return next(iter(filled)) if len(filled) == 1 else "text"


def value_of(value: Any, kind: Kind, name: str, numbers: Numbers | None = None) -> Attribute | None:
    """Convert a cell to the kind of its column.

    Args:
        value: The cell.
        kind: The kind of the column.
        name: The column, for messages.
        numbers: How the column writes numbers in more than the plain way.

    Returns:
        The value, None for an empty cell.

    Raises:
        BadRow: The cell does not fit.
    """
    cell = plain(value)
    if cell is None or cell == "":
        return None
    if isinstance(cell, bytes):
        raise BadRow(f"{name}: the cell holds bytes, which no attribute can", field=name)
    if kind == "list":
        return _items(cell) or None
    if kind == "text":
        return "|".join(_items(cell)) if isinstance(cell, list) else text_of(cell)
    if isinstance(cell, str) and is_placeholder(cell):
        return None
    found: Attribute | None
    if kind == "number":
        found = _number(cell, name, numbers)
    elif kind == "bool":
        found = _bool(cell)
    else:
        found = cell if isinstance(cell, date) else _date(cell) if isinstance(cell, str) else None
    if found is None:
        shown, also = text_of(cell)[:40], "" if name in FIXED else f", or keep all as texts: --column {name}:text"
        raise BadRow(f"{name}: {shown!r} is not a {kind}; {_MEND[kind]}{also}", field=name)
    return found


_MEND = {
    "number": "write it like 12.5, without a currency",
    "bool": "write true or false",
    "date": "write it like 2026-01-31",
}


def _items(cell: Any) -> tuple[str, ...]:
    """The filled items of a list, or of a text whose items are separated by bars."""
    if isinstance(cell, str):
        listed = json_list(cell)
        cell = cell.split("|") if listed is None else listed
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
