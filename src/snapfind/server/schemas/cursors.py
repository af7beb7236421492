"""Opaque cursors: where a page ends, and the query that it is a page of, so that two queries are never mixed."""

import base64
import binascii
import json
from typing import TypeVar

from snapfind.core.errors import BadRequest

__all__ = ["cursor_of", "place_of"]

Place = TypeVar("Place", int, str)


def cursor_of(place: int | str, query: str) -> str:
    """A cursor for the page that begins there."""
    return base64.urlsafe_b64encode(json.dumps([place, query]).encode()).decode().rstrip("=")


def place_of(cursor: str, query: str, kind: type[Place]) -> Place:
    """Where the page begins. Raises BadRequest for a cursor that is not one of ours, or of another query."""
    try:
        place, of = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        place, of = None, None
    if type(place) is not kind or (isinstance(place, int) and not 0 < place < 2**31):
        raise BadRequest(
            "the cursor is none of this server; take `next` of a reply as it is", code="cursor_bad", field="cursor"
        )
    if of != query:
        raise BadRequest(
            "the cursor belongs to another query; send the same query with it", code="cursor_bad", field="cursor"
        )
    return place
