"""What a filter can say: one class per operator, with its meaning, the engine's condition and a sentence for people.

A missing field fits no comparison; `!=` and `not in` are the opposite of `=` and `in`, so they fit what has no such
field. A list fits when one of its items does. A date without a time is its midnight, and a time without a zone is UTC.
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from snapfind.core.types import Kind, check_characters

__all__ = [
    "All",
    "Any_",
    "Between",
    "Exists",
    "Filter",
    "Is",
    "Not",
    "Value",
    "field_name",
    "json_path",
    "payload_key",
    "public_name",
    "where",
]

Value = str | float | int | bool | datetime
_PUBLIC = {"_product": "id", "_picture": "picture"}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPED = str.maketrans({'"': "\ue022", "\\": "\ue05c"})
_UNESCAPED = {ord(private): plain for plain, private in (('"', "\ue022"), ("\\", "\ue05c"))}


class Filter(ABC):
    """A condition on the payload of a point. `str()` gives text that parses to an equal filter.

    >>> parse("price < 50", {"price": "number"}).matches({"price": 12})
    True
    """

    @abstractmethod
    def matches(self, payload: Mapping[str, Any]) -> bool:
        """Whether a payload fits: this is what the filter means."""

    @abstractmethod
    def condition(self, engine: Any) -> Any:
        """The same as a condition of the engine; `engine` has its condition classes, and `boolean(name, value)`."""

    @property
    @abstractmethod
    def sentence(self) -> str:
        """The same in words for people."""

    @property
    @abstractmethod
    def fields(self) -> frozenset[str]:
        """Payload keys that it asks for."""

    def __and__(self, other: "Filter") -> "Filter":
        return All((self, other))


@dataclass(frozen=True)
class Is(Filter):
    """The field is one of the values: `=` and `in`."""

    name: str
    kind: Kind
    values: tuple[Value, ...]

    @property
    def fields(self) -> frozenset[str]:
        return frozenset({self.name})

    def matches(self, payload: Mapping[str, Any]) -> bool:
        found = payload.get(self.name)
        if found is None:
            return False
        wanted = {_comparable(value, self.kind) for value in self.values}
        return any(_comparable(item, self.kind) in wanted for item in (found if isinstance(found, list) else [found]))

    def condition(self, engine: Any) -> Any:
        path = json_path(self.name)
        if self.kind in ("text", "list"):
            return engine.FieldCondition(path, match=engine.MatchAny([str(value) for value in self.values]))
        if self.kind == "bool":
            either = [engine.boolean(self.name, bool(value)) for value in self.values]
        else:
            ranges = [_range(engine, self.kind, {"gte": value, "lte": value}) for value in self.values]
            either = [engine.FieldCondition(path, range=one) for one in ranges]
        return engine.Filter(should=either)

    @property
    def sentence(self) -> str:
        return f"{public_name(self.name)} is {' or '.join(_said(value) for value in self.values)}"

    def __str__(self) -> str:
        name = _written(self.name)
        if len(self.values) == 1:
            return f"{name} = {_literal(self.values[0])}"
        return f"{name} in ({', '.join(_literal(value) for value in self.values)})"


@dataclass(frozen=True)
class Between(Filter):
    """A number or a date in a range, with open or closed ends: `<`, `<=`, `>`, `>=`, `between`."""

    name: str
    kind: Kind
    gt: Value | None = None
    gte: Value | None = None
    lt: Value | None = None
    lte: Value | None = None

    @property
    def ends(self) -> dict[str, Value]:
        """The ends that are there."""
        found = {"gt": self.gt, "gte": self.gte, "lt": self.lt, "lte": self.lte}
        return {name: end for name, end in found.items() if end is not None}

    @property
    def fields(self) -> frozenset[str]:
        return frozenset({self.name})

    def matches(self, payload: Mapping[str, Any]) -> bool:
        found = payload.get(self.name)
        if found is None:
            return False
        value = _comparable(found, self.kind)
        return all(_HOLDS[end](value, _comparable(limit, self.kind)) for end, limit in self.ends.items())

    def condition(self, engine: Any) -> Any:
        return engine.FieldCondition(json_path(self.name), range=_range(engine, self.kind, self.ends))

    @property
    def sentence(self) -> str:
        said = " and ".join(f"{_WORDS[end][self.kind == 'date']} {_said(value)}" for end, value in self.ends.items())
        return f"{public_name(self.name)} {said}"

    def __str__(self) -> str:
        if self.gte is not None and self.lte is not None:
            return f"{_written(self.name)} between {_literal(self.gte)} and {_literal(self.lte)}"
        return " and ".join(
            f"{_written(self.name)} {_SIGNS[end]} {_literal(value)}" for end, value in self.ends.items()
        )


@dataclass(frozen=True)
class Exists(Filter):
    """The field has a value: `exists(field)`."""

    name: str

    @property
    def fields(self) -> frozenset[str]:
        return frozenset({self.name})

    def matches(self, payload: Mapping[str, Any]) -> bool:
        return payload.get(self.name) not in (None, [])

    def condition(self, engine: Any) -> Any:
        return engine.Filter(must_not=[engine.IsEmptyCondition(json_path(self.name))])

    @property
    def sentence(self) -> str:
        return f"{public_name(self.name)} is known"

    def __str__(self) -> str:
        return f"exists({_written(self.name)})"


@dataclass(frozen=True)
class Not(Filter):
    """The opposite: `not`, `!=`, `not in`."""

    inner: Filter

    @property
    def fields(self) -> frozenset[str]:
        return self.inner.fields

    def matches(self, payload: Mapping[str, Any]) -> bool:
        return not self.inner.matches(payload)

    def condition(self, engine: Any) -> Any:
        return engine.Filter(must_not=[self.inner.condition(engine)])

    @property
    def sentence(self) -> str:
        return f"not ({self.inner.sentence})"

    def __str__(self) -> str:
        return f"not ({self.inner})"


@dataclass(frozen=True)
class All(Filter):
    """Every part fits: `and`."""

    parts: tuple[Filter, ...]

    @property
    def fields(self) -> frozenset[str]:
        return frozenset().union(*(part.fields for part in self.parts))

    def matches(self, payload: Mapping[str, Any]) -> bool:
        return all(part.matches(payload) for part in self.parts)

    def condition(self, engine: Any) -> Any:
        return engine.Filter(must=[part.condition(engine) for part in self.parts])

    @property
    def sentence(self) -> str:
        return " and ".join(_grouped(part, part.sentence) for part in self.parts)

    def __str__(self) -> str:
        return " and ".join(_grouped(part, str(part)) for part in self.parts)


@dataclass(frozen=True)
class Any_(Filter):  # noqa: N801 -- `Any` is taken
    """At least one part fits: `or`."""

    parts: tuple[Filter, ...]

    @property
    def fields(self) -> frozenset[str]:
        return frozenset().union(*(part.fields for part in self.parts))

    def matches(self, payload: Mapping[str, Any]) -> bool:
        return any(part.matches(payload) for part in self.parts)

    def condition(self, engine: Any) -> Any:
        return engine.Filter(should=[part.condition(engine) for part in self.parts])

    @property
    def sentence(self) -> str:
        return " or ".join(_grouped(part, part.sentence) for part in self.parts)

    def __str__(self) -> str:
        return " or ".join(_grouped(part, str(part)) for part in self.parts)


def public_name(name: str) -> str:
    """The name by which people know a payload key."""
    return _PUBLIC.get(name, name)


def payload_key(name: str) -> str:
    """Return the key under which the engine stores a field.

    The engine's path syntax has no escape for `"` and `\\`, so both are replaced by characters of the private use area.
    Names of attributes are printable and never hold those, so the replacement is unambiguous.

    Args:
        name: Field name as the shop wrote it.

    Returns:
        The name without `"` and `\\`.
    """
    return name.translate(_ESCAPED) if '"' in name or "\\" in name else name


def field_name(key: str) -> str:
    """Return the field name of a payload key: the inverse of `payload_key`."""
    return key if key.isascii() else key.translate(_UNESCAPED)


def json_path(name: str) -> str:
    """Return a field name as the engine writes paths: odd names are quoted, so that dots are not steps."""
    return name if _PLAIN.fullmatch(name) else f'"{payload_key(name)}"'


_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_WORDS = {
    "gt": ("above", "after"),
    "gte": ("at least", "from"),
    "lt": ("below", "before"),
    "lte": ("at most", "up to"),
}
_HOLDS = {
    "gt": lambda value, limit: value > limit,
    "gte": lambda value, limit: value >= limit,
    "lt": lambda value, limit: value < limit,
    "lte": lambda value, limit: value <= limit,
}


def _comparable(value: Any, kind: Kind) -> Any:
    if kind == "date":
        return _moment(value)
    return float(value) if kind == "number" else value


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, datetime.min.time())
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:  # the first or the last hours of the calendar, in another zone
        return moment.replace(tzinfo=UTC)


def _range(engine: Any, kind: Kind, ends: Mapping[str, Value]) -> Any:
    if kind == "date":
        return engine.RangeDateTime(**{end: _moment(value).isoformat() for end, value in ends.items()})
    return engine.RangeFloat(**{end: float(value) for end, value in ends.items() if not isinstance(value, datetime)})


def _written(name: str) -> str:
    public = public_name(name)
    plain = re.fullmatch(r"[^\W\d]\w*", public) and public.lower() not in _KEYWORDS
    return public if plain else "`" + public.replace("`", "``") + "`"


_KEYWORDS = {"and", "or", "not", "in", "between", "exists", "true", "false"}


def _literal(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, (int, float)):
        return repr(value) if math.isfinite(value) else "1e999"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _said(value: Value) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M") if value.time() != datetime.min.time() else value.date().isoformat()
    return value if isinstance(value, str) else _literal(value)


def _grouped(part: Filter, text: str) -> str:
    compound = isinstance(part, (All, Any_)) or (isinstance(part, Between) and len(part.ends) > 1)
    return f"({text})" if compound else text


def where(key: str, values: Sequence[Value]) -> Filter:
    """Points whose payload key is one of the values: what the catalog itself asks for."""
    kind: Kind = "bool" if values and isinstance(values[0], bool) else "text"
    for value in values:
        if isinstance(value, str):
            check_characters(value, key.lstrip("_"))
    return Is(key, kind, tuple(values))
