"""Validation errors of pydantic as one sentence that names the field and the correction."""

import difflib
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from snapfind.core.errors import BadRequest

__all__ = ["bad_request"]

_SOURCES = {"body", "query", "path", "header"}
_SENTENCES = {
    "missing": "it is missing; this request needs it",
    "string_type": "{value} is not a text; write it in quotes",
    "string_unicode": "the text is not valid Unicode; send it in UTF-8",
    "int_type": "{value} is not a whole number",
    "int_parsing": "{value} is not a whole number",
    "int_from_float": "{value} is not a whole number",
    "float_type": "{value} is not a number",
    "float_parsing": "{value} is not a number",
    "finite_number": "{value} is not a finite number",
    "bool_type": "{value} is neither true nor false",
    "bool_parsing": "{value} is neither true nor false",
    "list_type": "{value} is not a list; write it in [ ]",
    "tuple_type": "{value} is not a list; write it in [ ]",
    "dict_type": "{value} is not an object; write it in {{ }}",
    "model_type": "{value} is not an object; write it in {{ }}",
    "model_attributes_type": "{value} is not an object; write it in {{ }}",
    "greater_than_equal": "{value} is too small; the least is {ge}",
    "greater_than": "{value} is too small; it must be above {gt}",
    "less_than_equal": "{value} is too large; the most is {le}",
    "less_than": "{value} is too large; it must be below {lt}",
    "string_too_short": "the text is too short; the least is {min_length} characters",
    "string_too_long": "the text is too long; the most is {max_length} characters",
    "string_pattern_mismatch": "{value} does not have the required format",
    "too_short": "it has {actual_length} items; the least is {min_length}",
    "too_long": "it has too many items; the most is {max_length}",
    "literal_error": "{value} is not known; there are: {expected}",
    "timezone_aware": "{value} has no time zone; write a time such as 2026-01-31T12:00:00Z",
    "json_invalid": "it is not JSON ({error})",
}


def bad_request(error: RequestValidationError | ValidationError, body: Any = None) -> BadRequest:
    """Convert a validation error to an error of the API. Unknown fields are reported first.

    Args:
        error: Error of pydantic or FastAPI.
        body: Annotation of the body, to suggest the correct name of a misspelled field.

    Returns:
        The error with one sentence and the name of the field.
    """
    details = error.errors()
    first = next((one for one in details if one["type"] == "extra_forbidden"), details[0])
    # the location of a syntax error is a position in the text, not a field
    wrong_json = first["type"] == "json_invalid"
    places = [] if wrong_json else [str(part) for part in first["loc"] if part not in _SOURCES]
    where = ".".join(places) or "the body"
    return BadRequest(f"{where}: {_sentence(first, body)}", field=where if places else None)


def _sentence(detail: Mapping[str, Any], body: Any) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown(detail["loc"], body)
    message = str(detail["msg"]).removeprefix("Value error, ")
    if kind not in _SENTENCES:
        return f"{message[:1].lower()}{message[1:]}"
    value = repr(detail.get("input"))
    short = value if len(value) <= 40 else f"{value[:40]} …"
    return _SENTENCES[kind].format(value=short, **{"error": message, **detail.get("ctx", {})})


def _unknown(places: tuple[int | str, ...], body: Any) -> str:
    """Suggest the most similar field of the schema at that place."""
    inside = [part for part in places if part not in _SOURCES]
    known = sorted({name for schema in _schemas_at(body, inside[:-1]) for name in schema.model_fields})
    near = difflib.get_close_matches(str(inside[-1]), known, 1)
    if near:
        return f"there is no such field; did you mean {near[0]!r}?"
    return f"there is no such field{'; there are: ' + ', '.join(known) if known else ''}"


def _schemas_at(top: Any, places: list[int | str]) -> list[type[BaseModel]]:
    """Return the schemas that a place of a body may have."""
    schemas = list(_within(top))
    for place in places:
        if isinstance(place, str) and any(place in schema.model_fields for schema in schemas):
            inner = [schema.model_fields[place].annotation for schema in schemas if place in schema.model_fields]
            schemas = [schema for annotation in inner for schema in _within(annotation)]
    return schemas


def _within(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in {list, dict, tuple, Union, types.UnionType, Annotated}:
        for part in get_args(annotation):
            yield from _within(part)
