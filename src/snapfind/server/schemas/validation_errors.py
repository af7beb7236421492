"""What pydantic finds wrong with a request, as one sentence of ours that names the field and the mend."""

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
    "string_type": "{given} is not a text; write it in quotes",
    "string_unicode": "the text is not whole Unicode; send whole characters, in UTF-8",
    "int_type": "{given} is not a whole number",
    "int_parsing": "{given} is not a whole number",
    "int_from_float": "{given} is not a whole number",
    "float_type": "{given} is not a number",
    "float_parsing": "{given} is not a number",
    "finite_number": "{given} is not a finite number",
    "bool_type": "{given} is neither true nor false",
    "bool_parsing": "{given} is neither true nor false",
    "list_type": "{given} is not a list; write it in [ ]",
    "tuple_type": "{given} is not a list; write it in [ ]",
    "dict_type": "{given} is not an object; write it in {{ }}",
    "model_type": "{given} is not an object; write it in {{ }}",
    "model_attributes_type": "{given} is not an object; write it in {{ }}",
    "greater_than_equal": "{given} is too small; the least is {ge}",
    "greater_than": "{given} is too small; it must be above {gt}",
    "less_than_equal": "{given} is too large; the most is {le}",
    "less_than": "{given} is too large; it must be below {lt}",
    "string_too_short": "the text is too short; the least is {min_length} characters",
    "string_too_long": "the text is too long; the most is {max_length} characters",
    "string_pattern_mismatch": "{given} has not the form that is needed here",
    "too_short": "it has {actual_length} items; the least is {min_length}",
    "too_long": "it has too many items; the most is {max_length}",
    "literal_error": "{given} is not known; there are: {expected}",
    "timezone_aware": "{given} has no time zone; write a time such as 2026-01-31T12:00:00Z",
    "json_invalid": "it is not JSON ({error})",
}


def bad_request(error: RequestValidationError | ValidationError, body: Any = None) -> BadRequest:
    """The first complaint as an error of the API; a field that is not known comes first.

    Args:
        error: What pydantic or FastAPI raised.
        body: Annotation of the body, to suggest a field where the name was misspelt.

    Returns:
        BadRequest with one sentence and the name of the field.
    """
    found = error.errors()
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    # a fault of the JSON itself has its place in the text, which is no field
    wrong_json = first["type"] == "json_invalid"
    places = [] if wrong_json else [str(part) for part in first["loc"] if part not in _SOURCES]
    where = ".".join(places) or "the body"
    return BadRequest(f"{where}: {_sentence(first, body)}", field=where if places else None)


def _sentence(found: Mapping[str, Any], body: Any) -> str:
    kind = found["type"]
    if kind == "extra_forbidden":
        return _unknown(found["loc"], body)
    told = str(found["msg"]).removeprefix("Value error, ")
    if kind not in _SENTENCES:
        return f"{told[:1].lower()}{told[1:]}"
    given = repr(found.get("input"))
    shown = given if len(given) <= 40 else f"{given[:40]} …"
    return _SENTENCES[kind].format(given=shown, **{"error": told, **found.get("ctx", {})})


def _unknown(places: tuple[int | str, ...], body: Any) -> str:
    """Suggest the nearest of the fields that the shape has at that place."""
    inside = [part for part in places if part not in _SOURCES]
    known = sorted({name for shape in _shapes(body, inside[:-1]) for name in shape.model_fields})
    near = difflib.get_close_matches(str(inside[-1]), known, 1)
    if near:
        return f"there is no such field; did you mean {near[0]!r}?"
    return f"there is no such field{'; there are: ' + ', '.join(known) if known else ''}"


def _shapes(top: Any, places: list[int | str]) -> list[type[BaseModel]]:
    """The shapes that may stand at a place of a body."""
    found = list(_within(top))
    for place in places:
        if isinstance(place, str) and any(place in shape.model_fields for shape in found):
            inner = [shape.model_fields[place].annotation for shape in found if place in shape.model_fields]
            found = [shape for annotation in inner for shape in _within(annotation)]
    return found


def _within(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in {list, dict, tuple, Union, types.UnionType, Annotated}:
        for part in get_args(annotation):
            yield from _within(part)
