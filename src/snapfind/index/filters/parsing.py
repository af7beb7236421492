"""Parser of filter expressions. Every error has a position and says what to write instead."""

import difflib
import math
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedInput, VisitError

from snapfind.core.errors import BadFilter
from snapfind.core.types import Kind
from snapfind.index.filters.operators import All, Any_, Between, Exists, Filter, Is, Not, Value
from snapfind.index.payload import FIXED

__all__ = ["parse"]

_DEEPEST = 50
_BUILT_IN: dict[str, tuple[str, Kind]] = {"id": ("_product", "text"), "picture": ("_picture", "text")}
_ENDS = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}


def parse(text: str, schema: Mapping[str, Kind], max_length: int = 4096) -> Filter:
    """Parse a filter expression.

    Args:
        text: The expression, such as `price < 50 and color = "red"`.
        schema: Kinds of the shop's own attributes.
        max_length: Maximum length in characters.

    Returns:
        The filter.

    Raises:
        BadFilter: The expression does not parse, names an unknown field, or has a value of another kind. Its position
            is the index of a character, from 0.
    """
    if len(text) > max_length:
        raise BadFilter(f"the filter has {len(text)} characters; the most is {max_length}", position=max_length)
    if surrogate := re.search(r"[\ud800-\udfff]", text):
        raise BadFilter("the filter contains a lone surrogate; send valid UTF-8", position=surrogate.start())
    _bound_depth(text)
    try:
        tree = _grammar().parse(text)
        return _Build(schema).transform(tree)
    except UnexpectedInput as error:
        raise _unexpected(text, error) from None
    except VisitError as error:
        raise error.orig_exc from None


@cache
def _grammar() -> Lark:
    grammar = files("snapfind.index.filters").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", propagate_positions=False)


def _bound_depth(text: str) -> None:
    """Reject deep nesting, which would exhaust the stack."""
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth > _DEEPEST:
            raise BadFilter(f"more than {_DEEPEST} open parentheses; write it flatter", position=position)
    # One class between two `not`: with several optional parts, each run of spaces could be split in many ways.
    if match := re.search(rf"(?:\bnot\b[\s(]*){{{_DEEPEST},}}", text, re.IGNORECASE):
        raise BadFilter(f"more than {_DEEPEST} `not` in a row; write it flatter", position=match.start())


def _unexpected(text: str, error: UnexpectedInput) -> BadFilter:
    offset = getattr(error, "pos_in_stream", None)
    position = offset if isinstance(offset, int) and offset >= 0 else len(text)
    if position >= len(text.rstrip()) or getattr(getattr(error, "token", None), "type", "") == "$END":
        ending = "the filter ends too early; write for example: price < 50"
        return BadFilter(
            ending if text.strip() else "the filter is empty; leave it out or write: price < 50", position=len(text)
        )
    near = text[position : position + 20]
    if hint := _hint(text, position):
        return BadFilter(f"at {position}: {hint}", position=position)
    if text[position] in "\"'":
        return BadFilter(f"the text that begins at {position} has no closing quote: {near}", position=position)
    return BadFilter(
        f"at {position}, {near!r} does not fit; write comparisons joined with and, or, not: "
        'price < 50 and color in ("red", "blue")',
        position=position,
    )


_HINTS = tuple(
    (re.compile(pattern, re.IGNORECASE), hint)
    for pattern, hint in (
        (r"is\s+not\s+(null|none|empty)\b", "to ask for a filled field write: exists(field)"),
        (r"is\s+(null|none|empty)\b", "to ask for an empty field write: not exists(field)"),
        (r"is\s+not\b", "the sign for 'is not' is !="),
        (r"is\b", "the sign for 'is' is ="),
        (
            r"(not\s+)?(i?like|contains|matches|starts_?with|~|=~|%)",
            "there is no matching of parts of a text; "
            'compare whole values, color = "red", or put the words into the query',
        ),
        (r"&&|&", "write and instead of &"),
        (r"\|\|?", "write or instead of |"),
        (r"!", "write not instead of !"),
        (r"\[|\{", 'write lists in parentheses: color in ("red", "blue")'),
    )
)
_BEFORE = re.compile(r"(?:[=<>(,]|\b(?:and|between))\s*$", re.IGNORECASE)


def _hint(text: str, position: int) -> str:
    """Return what to write instead of the syntax of another filter language, or an empty text."""
    if text[max(0, position - 1) : position + 1] == "<>":
        return "the sign for 'not equal' is !="
    before = text[max(0, position - 20) : position]
    word = re.match(r"[^\W\d]\w*", text[position : position + 60])
    if word and word[0].lower() in ("null", "none"):
        return "to ask for an empty field write: not exists(field)"
    if word and _BEFORE.search(before):
        return f'texts are written in quotes: "{word[0]}"'
    near = text[position : position + 60]
    return next((hint for pattern, hint in _HINTS if pattern.match(near)), "")


@v_args(inline=True)
class _Build(Transformer[Token, Filter]):
    """Converts the syntax tree to a filter: resolves fields by the schema, and checks values against their kind."""

    def __init__(self, schema: Mapping[str, Kind]) -> None:
        super().__init__()
        self._fields = {name: (name, kind) for name, kind in {**schema, **FIXED}.items()} | _BUILT_IN
        self._by_lower: dict[str, list[str]] = {}
        for name in self._fields:
            self._by_lower.setdefault(name.casefold(), []).append(name)

    def field(self, token: Token) -> tuple[str, Kind, int]:
        name = token[1:-1].replace("``", "`") if token.type == "QUOTED_NAME" else str(token)
        position = token.start_pos or 0
        if name in self._fields:
            return (*self._fields[name], position)
        same = self._by_lower.get(name.casefold(), [])
        if len(same) == 1:  # letter case does not matter, unless two fields differ in it alone
            return (*self._fields[same[0]], position)
        near = difflib.get_close_matches(name, self._fields, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(self._fields))}"
        raise BadFilter(f"at {position}: no field {name!r}; {hint}", position=position)

    def value(self, token: Token) -> Token:
        return token

    def comparison(self, field: tuple[str, Kind, int], operator: Token, token: Token) -> Filter:
        name, kind, _ = field
        value = _value(token, field)
        if operator in ("=", "=="):
            return Is(name, kind, (value,))
        if operator == "!=":
            return Not(Is(name, kind, (value,)))
        _ordered(field, operator)
        return Between(name, kind, **{_ENDS[operator]: value})

    def between(self, field: tuple[str, Kind, int], low: Token, high: Token) -> Filter:
        _ordered(field, low)
        return Between(field[0], field[1], gte=_value(low, field), lte=_value(high, field))

    def membership(self, field: tuple[str, Kind, int], *tokens: Token) -> Filter:
        return Is(field[0], field[1], tuple(dict.fromkeys(_value(token, field) for token in tokens)))

    def exclusion(self, field: tuple[str, Kind, int], *tokens: Token) -> Filter:
        return Not(self.membership(field, *tokens))

    def exists(self, field: tuple[str, Kind, int]) -> Filter:
        return Exists(field[0])

    def truth(self, field: tuple[str, Kind, int]) -> Filter:
        name, kind, position = field
        if kind != "bool":
            reason = f"at {position}: {name} is a {kind}, not a condition; compare it, or write exists({name})"
            raise BadFilter(reason, position=position)
        return Is(name, "bool", (True,))

    def negation(self, inner: Filter) -> Filter:
        return Not(inner)

    def both(self, *parts: Filter) -> Filter:
        return All(parts)

    def either(self, *parts: Filter) -> Filter:
        return Any_(parts)


def _ordered(field: tuple[str, Kind, int], token: Token) -> None:
    name, kind, _ = field
    if kind not in ("number", "date"):
        position = token.start_pos or 0
        reason = f"at {position}: {name} is a {kind}, which has no order; use =, != or in"
        raise BadFilter(reason, position=position)


def _value(token: Token, field: tuple[str, Kind, int]) -> Value:
    name, kind, _ = field
    value: Any = None
    if kind in ("text", "list") and token.type == "TEXT":
        value = re.sub(r"\\(.)", r"\1", token[1:-1])
    elif kind == "number" and token.type == "NUMBER":
        number = float(token)
        value = (
            int(number) if number.is_integer() and abs(number) < 2**53 else number if math.isfinite(number) else None
        )
    elif kind == "bool" and token.type in ("TRUE", "FALSE"):
        value = token.type == "TRUE"
    elif kind == "date" and token.type in ("DATE", "TEXT"):
        value = _date(token.strip("\"'"))
    if value is None:
        position = token.start_pos or 0
        reason = f"at {position}: {name} is a {kind}, {str(token)[:40]} is not; {_HINT_OF_KIND[kind]}"
        raise BadFilter(reason, position=position)
    return value  # type: ignore[no-any-return]


_HINT_OF_KIND: dict[Kind, str] = {
    "text": 'write a text in quotes: "red"',
    "list": 'write a text in quotes: "red"',
    "number": "write a number: 12.5",
    "bool": "write true or false",
    "date": "write a date: 2026-01-31",
}


def _date(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
