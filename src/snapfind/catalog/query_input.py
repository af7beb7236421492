"""Conversion of what a caller hands to `search` (paths, bytes, images, texts, query terms) to a `Query`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import PIL.Image

from snapfind.core.errors import BadPicture, BadQuery
from snapfind.core.query import Query, QueryTerm
from snapfind.core.types import Box
from snapfind.media.image.formats import SUFFIXES as IMAGE_SUFFIXES

__all__ = ["QueryInput", "as_feedback", "as_query", "as_term"]

QueryInput = str | Path | bytes | PIL.Image.Image | QueryTerm | Query | Sequence[QueryTerm]


def as_query(
    query: QueryInput,
    options: Mapping[str, Any] = {},
    *,
    box: Box | None = None,
    marked: Sequence[QueryTerm] = (),
    less: Sequence[str | Path | bytes | PIL.Image.Image] = (),
) -> Query:
    """Build a query.

    Args:
        query: A photo (path, bytes, PIL image), a text, a term, several terms, or a query. A str is a photo if it
            names a file, else a text.
        options: Options by name, combined with those of a query (`Query.with_options`).
        box: Region of the photo. The query must have exactly one photo.
        marked: Relevance feedback, added to that of a query.
        less: Negative terms, added to those of a query: texts or photos.

    Returns:
        The query.

    Raises:
        BadQuery: The query is empty or contradictory.
        BadPicture: A text ends like the name of a picture, and there is no such file.
    """
    if not isinstance(query, Query):
        single = isinstance(query, (str, Path, bytes, PIL.Image.Image, QueryTerm))
        query = Query((as_term(query),) if single else tuple(query))  # type: ignore[arg-type]
    if less:
        query = replace(query, terms=(*query.terms, *(as_term(content, -1.0) for content in less)))
    query = query.with_options(options, marked)
    return query if box is None else _with_box(query, box)


def as_term(content: str | Path | bytes | PIL.Image.Image | QueryTerm, weight: float = 1.0) -> QueryTerm:
    """Build a query term.

    Args:
        content: A photo or a text. A str is a photo if it names a file, else a text. A term is returned as it is.
        weight: Weight of the term.

    Returns:
        The term.

    Raises:
        BadPicture: A text ends like the name of a picture, and there is no such file.
    """
    if isinstance(content, QueryTerm):
        return content
    if not isinstance(content, str):
        return QueryTerm(photo=content, weight=weight)
    path = Path(content)
    if _is_file(path):
        return QueryTerm(photo=path, weight=weight)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        raise BadPicture(f"there is no picture {content}; check the path", code="picture_missing")
    return QueryTerm(text=content, weight=weight)


def as_feedback(content: str | Path | bytes | PIL.Image.Image, weight: float) -> QueryTerm:
    """Build relevance feedback. A str is a photo if it names a file, else the id of a product.

    Args:
        content: A photo or the id of a product.
        weight: Above 0 for relevant, below 0 for not relevant.

    Returns:
        The term.
    """
    if isinstance(content, str) and not _is_file(Path(content)):
        return QueryTerm(product=content, weight=weight)
    return QueryTerm(photo=content, weight=weight)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a long text, or one with a null character, is no path
        return False


def _with_box(query: Query, box: Box) -> Query:
    if sum(term.photo is not None for term in query.terms) != 1:
        raise BadQuery("a box needs exactly one photo; use QueryTerm(photo=…, box=…) for several", field="box")
    terms = tuple(replace(term, box=box) if term.photo is not None else term for term in query.terms)
    return replace(query, terms=terms)
