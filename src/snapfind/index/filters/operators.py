"""Filter operators: one class each, with its meaning, the condition for the engine, and a sentence for people.

A missing field matches no comparison. `!=` and `not in` are the opposite of `=` and `in`, so they match products
without the field. A list matches if one of its items does. A date without a time is midnight, a time without a zone is
UTC.
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from typing_extensions import override

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
    """A condition on the payload of a point. `str()` returns an expression that parses to an equal filter.

    Example:
        >>> parse("price < 50", {"price": "number"}).matches({"price": 12})
        True
    """

    @abstractmethod
    def matches(self, payload: Mapping[str, Any]) -> bool:
        """Tell whether a payload matches. This defines the meaning of the filter.

        Args:
            payload: Payload of a point.

        Returns:
            True if it matches.
        """

    @abstractmethod
    def condition(self, engine: Any) -> Any:
        """Convert the filter to a condition of the engine.

        Args:
            engine: Condition classes of the engine, and `boolean(name, value)`.

        Returns:
            The condition.
        """

    @property
    @abstractmethod
    def sentence(self) -> str:
        """The filter in words for people."""

    @property
    @abstractmethod
    def fields(self) -> frozenset[str]:
        """Payload keys that the filter reads."""

    def __and__(self, other: "Filter") -> "Filter":
        return All((self, other))


@dataclass(frozen=True)
class Is(Filter):
    """The field is one of the values: `=` and `in`.

    Args:
        name: Payload key.
        kind: Kind of the field.
        values: The values.
    """

    name: str
    kind: Kind
    values: tuple[Value, ...]

    @property
    @override
    def fields(self) -> frozenset[str]:
        return frozenset({self.name})

    @override
    def matches(self, payload: Mapping[str, Any]) -> bool:
        stored = payload.get(self.name)
        if stored is None:
            return False
        values = {_comparable(value, self.kind) for value in self.values}
        return any(
            _comparable(item, self.kind) in values for item in (stored if isinstance(stored, list) else [stored])
        )

    @override
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
    @override
    def sentence(self) -> str:
        return f"{public_name(self.name)} is {' or '.join(_spell(value) for value in self.values)}"

    def __str__(self) -> str:
        name = _quote_name(self.name)
        if len(self.values) == 1:
            return f"{name} = {_literal(self.values[0])}"
        return f"{name} in ({', '.join(_literal(value) for value in self.values)})"


@dataclass(frozen=True)
class Between(Filter):
    """A number or a date in a range: `<`, `<=`, `>`, `>=`, `between`.

    Args:
        name: Payload key.
        kind: `number` or `date`.
        gt: The field is greater than this.
        gte: The field is at least this.
        lt: The field is less than this.
        lte: The field is at most this.
    """

    name: str
    kind: Kind
    gt: Value | None = None
    gte: Value | None = None
    lt: Value | None = None
    lte: Value | None = None

    @property
    def bounds(self) -> dict[str, Value]:
        """The bounds that are set, by the name of the comparison."""
        bounds = {"gt": self.gt, "gte": self.gte, "lt": self.lt, "lte": self.lte}
        return {name: bound for name, bound in bounds.items() if bound is not None}

    @property
    @override
    def fields(self) -> frozenset[str]:
        return frozenset({self.name})

    @override
    def matches(self, payload: Mapping[str, Any]) -> bool:
        stored = payload.get(self.name)
        if stored is None:
            return False
        value = _comparable(stored, self.kind)
        return all(_HOLDS[end](value, _comparable(limit, self.kind)) for end, limit in self.bounds.items())

    @override
    def condition(self, engine: Any) -> Any:
        return engine.FieldCondition(json_path(self.name), range=_range(engine, self.kind, self.bounds))

    @property
    @override
    def sentence(self) -> str:
        text = " and ".join(f"{_WORDS[end][self.kind == 'date']} {_spell(value)}" for end, value in self.bounds.items())
        return f"{public_name(self.name)} {text}"

    def __str__(self) -> str:
        if self.gte is not None and self.lte is not None:
            return f"{_quote_name(self.name)} between {_literal(self.gte)} and {_literal(self.lte)}"
        return " and ".join(
            f"{_quote_name(self.name)} {_SIGNS[end]} {_literal(value)}" for end, value in self.bounds.items()
        )


@dataclass(frozen=True)
class Exists(Filter):
    """The field has a value: `exists(field)`."""

    name: str

    @property
    @override
    def fields(self) -> frozenset[str]:
        return frozenset({self.name})

    @override
    def matches(self, payload: Mapping[str, Any]) -> bool:
        return payload.get(self.name) not in (None, [])

    @override
    def condition(self, engine: Any) -> Any:
        return engine.Filter(must_not=[engine.IsEmptyCondition(json_path(self.name))])

    @property
    @override
    def sentence(self) -> str:
        return f"{public_name(self.name)} is known"

    def __str__(self) -> str:
        return f"exists({_quote_name(self.name)})"


@dataclass(frozen=True)
class Not(Filter):
    """The opposite of a filter: `not`, `!=`, `not in`."""

    inner: Filter

    @property
    @override
    def fields(self) -> frozenset[str]:
        return self.inner.fields

    @override
    def matches(self, payload: Mapping[str, Any]) -> bool:
        return not self.inner.matches(payload)

    @override
    def condition(self, engine: Any) -> Any:
        return engine.Filter(must_not=[self.inner.condition(engine)])

    @property
    @override
    def sentence(self) -> str:
        return f"not ({self.inner.sentence})"

    def __str__(self) -> str:
        return f"not ({self.inner})"


@dataclass(frozen=True)
class All(Filter):
    """Every part matches: `and`."""

    parts: tuple[Filter, ...]

    @property
    @override
    def fields(self) -> frozenset[str]:
        return frozenset().union(*(part.fields for part in self.parts))

    @override
    def matches(self, payload: Mapping[str, Any]) -> bool:
        return all(part.matches(payload) for part in self.parts)

    @override
    def condition(self, engine: Any) -> Any:
        return engine.Filter(must=[part.condition(engine) for part in self.parts])

    @property
    @override
    def sentence(self) -> str:
        return " and ".join(_parenthesize(part, part.sentence) for part in self.parts)

    def __str__(self) -> str:
        return " and ".join(_parenthesize(part, str(part)) for part in self.parts)


@dataclass(frozen=True)
class Any_(Filter):  # noqa: N801 -- `Any` is in typing
    """At least one part matches: `or`."""

    parts: tuple[Filter, ...]

    @property
    @override
    def fields(self) -> frozenset[str]:
        return frozenset().union(*(part.fields for part in self.parts))

    @override
    def matches(self, payload: Mapping[str, Any]) -> bool:
        return any(part.matches(payload) for part in self.parts)

    @override
    def condition(self, engine: Any) -> Any:
        return engine.Filter(should=[part.condition(engine) for part in self.parts])

    @property
    @override
    def sentence(self) -> str:
        return " or ".join(_parenthesize(part, part.sentence) for part in self.parts)

    def __str__(self) -> str:
        return " or ".join(_parenthesize(part, str(part)) for part in self.parts)


def public_name(name: str) -> str:
    """Return the name of a payload key in filter expressions.

    Args:
        name: Payload key.

    Returns:
        Name such as `id`.
    """
    return _PUBLIC.get(name, name)


def payload_key(name: str) -> str:
    r"""Return the key under which the engine stores a field.

    The engine's path syntax has no escape for `"` and `\`, so both are replaced by characters of the private use area.
    Names of attributes are printable and never hold those, so the replacement is unambiguous.

    Args:
        name: Field name as the shop wrote it.

    Returns:
        The name without `"` and `\`.
    """
    return name.translate(_ESCAPED) if '"' in name or "\\" in name else name


def field_name(key: str) -> str:
    """Return the field name of a payload key: the inverse of `payload_key`.

    Args:
        key: Key in the engine.

    Returns:
        Field name as the shop wrote it.
    """
    return key if key.isascii() else key.translate(_UNESCAPED)


def json_path(name: str) -> str:
    """Return the path of a field in the engine. Unusual names are quoted, so that dots are not steps.

    Args:
        name: Field name as the shop wrote it.

    Returns:
        The path.
    """
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
    except OverflowError:  # near the first or the last date of the calendar, in another zone
        return moment.replace(tzinfo=UTC)


def _range(engine: Any, kind: Kind, ends: Mapping[str, Value]) -> Any:
    if kind == "date":
        return engine.RangeDateTime(**{end: _moment(value).isoformat() for end, value in ends.items()})
    return engine.RangeFloat(**{end: float(value) for end, value in ends.items() if not isinstance(value, datetime)})


def _quote_name(name: str) -> str:
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


def _spell(value: Value) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M") if value.time() != datetime.min.time() else value.date().isoformat()
    return value if isinstance(value, str) else _literal(value)


def _parenthesize(part: Filter, text: str) -> str:
    compound = isinstance(part, (All, Any_)) or (isinstance(part, Between) and len(part.bounds) > 1)
    return f"({text})" if compound else text


def where(key: str, values: Sequence[Value]) -> Filter:
    """Return the filter that a payload key is one of the values, for use within the package.

    Args:
        key: Payload key.
        values: Texts, or booleans.

    Returns:
        The filter.

    Raises:
        BadInput: A text contains a lone surrogate.
    """
    kind: Kind = "bool" if values and isinstance(values[0], bool) else "text"
    for value in values:
        if isinstance(value, str):
            check_characters(value, key.lstrip("_"))
    return Is(key, kind, tuple(values))
