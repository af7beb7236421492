"""What the columns of a shop's table mean: names, kinds, and one row of them as a product with its pictures."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Set
from datetime import date, datetime
from typing import Any

from snapfind.catalog.numbers import PLAIN, Numbers
from snapfind.errors import BadInput, BadRow
from snapfind.types import Attribute, Kind, Product

__all__ = ["Columns", "kind_of", "meant", "settle", "value_of"]

_ALIASES = {
    "id": ("id", "product_id", "product", "sku"),
    "title": ("title", "name", "product_name"),
    "price": ("price",),
    "brand": ("brand",),
    "category": ("category",),
    "description": ("description", "text"),
    "picture": ("picture", "pictures", "image", "images", "photo", "photos", "file", "path"),
}
_BETWEEN = re.compile(r"\||[,;]\s*(?=https?://)")
_TRUE, _FALSE = {"true", "yes"}, {"false", "no"}


class Columns:
    """The columns of one table, by meaning; `chosen` names those that are called otherwise: {"id": "Handle"}.

    Raises BadInput when id or picture is missing, or a chosen one.
    """

    def __init__(self, names: Iterable[str], table: str, chosen: Mapping[str, str] = {}) -> None:
        given = [name for name in names if name and not name.startswith("_")]
        lower = {name.strip().lower(): name for name in reversed(given)}
        for meaning, name in chosen.items():
            if meaning not in _ALIASES:
                raise BadInput(f"{meaning!r} is no meaning of a column; there are: {', '.join(_ALIASES)}")
            if name.strip().lower() not in lower:
                raise BadInput(f"{table} has no column {name!r}{_near(name, given)}", field=meaning)
        known = {**_ALIASES, **{meaning: (name.strip().lower(),) for meaning, name in chosen.items()}}
        self.fixed = {
            meaning: lower[found]
            for meaning, aliases in known.items()
            if (found := next((alias for alias in aliases if alias in lower), None))
        }
        for meaning in ("id", "picture"):
            if meaning not in self.fixed:
                near = _near(meaning, given)
                raise BadInput(
                    f"{table} has no column {meaning!r}{near}, or say which it is: --column {meaning}=NAME",
                    field=meaning,
                )
        self.attributes = tuple(name for name in given if name not in self.fixed.values())

    def product(
        self, row: Mapping[str, Any], schema: Mapping[str, Kind], numbers: Mapping[str, Numbers] = {}
    ) -> Product:
        """One row as a product without pictures; `numbers` says how a column writes them. Raises BadRow."""
        texts = {
            meaning: _text(row.get(self.fixed[meaning]))
            for meaning in ("id", "title", "brand", "category", "description")
            if meaning in self.fixed
        }
        if not texts["id"]:
            raise BadRow("the id is empty; give each product one", field="id")
        price = self.fixed.get("price", "")
        cost = value_of(row.get(price), "number", "price", numbers.get(price, Numbers()))
        attributes = {
            name.strip(): value
            for name in self.attributes
            if (value := value_of(row.get(name), schema.get(name.strip(), "text"), name, numbers.get(name))) is not None
        }
        try:
            return Product(price=None if cost is None else float(cost), attributes=attributes, **texts)  # type: ignore[arg-type]
        except BadInput as error:
            raise BadRow(error.message, field=error.field) from error

    def pictures(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """The picture names of a row: a list, or texts parted by `|`, or addresses parted by commas.

        Raises BadRow when there is none.
        """
        value = row.get(self.fixed["picture"])
        names = value if isinstance(value, (list, tuple)) else _BETWEEN.split(str(value or ""))
        found = tuple(dict.fromkeys(str(name).strip() for name in names if name and str(name).strip()))
        if not found:
            raise BadRow("the row names no picture; fill in that column", code="picture_missing", field="picture")
        return found

    def names_none(self, row: Mapping[str, Any]) -> bool:
        """Whether the cell of the pictures is empty."""
        return not row.get(self.fixed["picture"])


def meant(text: str) -> tuple[str, str]:
    """`id=Handle` as a meaning and the column that has it. Raises BadInput."""
    meaning, equals, name = text.partition("=")
    if not equals or not name.strip():
        raise BadInput(f"column {text!r}: write what it is and its name, such as id=Handle", field="column")
    return meaning.strip(), name.strip()


def kind_of(value: Any) -> Kind | None:
    """The kind that a cell looks like, None when empty; a number with leading zeros is a text (`00123` is a code)."""
    return None if _empty(value) else _kind(value)


def settle(kinds: Set[Kind | None]) -> Kind:
    """The kind of a column whose cells look like these: the one that all filled cells share, else text."""
    filled = [kind for kind in kinds if kind is not None]
    return filled[0] if len(filled) == 1 else "text"


def value_of(value: Any, kind: Kind, name: str, numbers: Numbers | None = None) -> Attribute | None:
    """A cell as a value of that kind, None when empty; `numbers` reads more than plain ones.

    Raises BadRow naming the column and the mend.
    """
    if _empty(value):
        return None
    if kind == "list":
        items = value if isinstance(value, (list, tuple)) else str(value).split("|")
        return tuple(str(item).strip() for item in items if str(item).strip()) or None
    if kind == "text":
        return _text(value)
    if kind == "number" and numbers and isinstance(value, str):
        value = _read(value, name, numbers)
    if _kind(value) != kind:
        raise BadRow(f"{name}: {str(value)[:40]!r} is not a {kind}; {_MEND[kind]}", field=name)
    if kind == "bool":
        return value if isinstance(value, bool) else str(value).strip().lower() in _TRUE
    if kind == "date":
        return value if isinstance(value, date) else _date(str(value))
    number = value if isinstance(value, (int, float)) else float(str(value).strip())
    return int(number) if float(number).is_integer() else float(number)


def _read(text: str, name: str, numbers: Numbers) -> float:
    try:
        return numbers.read(text)
    except ValueError as error:
        raise BadRow(f"{name}: {text[:40]!r} is not a number; {error}", field=name) from None


_MEND = {
    "number": "write it like 12.5, without a currency",
    "bool": "write true or false",
    "date": "write it like 2026-01-31",
}


def _kind(value: Any) -> Kind:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number" if math.isfinite(value) else "text"
    if isinstance(value, date):
        return "date"
    if isinstance(value, (list, tuple)):
        return "list"
    text = str(value).strip()
    if PLAIN.fullmatch(text):
        return "number" if math.isfinite(float(text)) else "text"
    if text.lower() in _TRUE | _FALSE:
        return "bool"
    return "date" if _date(text) is not None else "text"


def _date(text: str) -> date | datetime | None:
    text = text.strip()
    if not re.match(r"\d{4}-\d{2}-\d{2}", text):
        return None
    try:
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError:
        return None


def _empty(value: Any) -> bool:
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and not value.strip())


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _near(wanted: str, given: Iterable[str]) -> str:
    lower = {name.lower(): name for name in given}
    near = difflib.get_close_matches(wanted.lower(), lower, n=1, cutoff=0.75)
    return (
        f"; did you mean {lower[near[0]]!r}? Rename it"
        if near
        else f"; its columns are: {', '.join(lower.values()) or 'none'}; rename one"
    )
