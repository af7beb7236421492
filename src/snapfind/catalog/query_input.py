"""What a caller may hand to `search`, as a Query: paths, bytes, pictures, texts, likes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import PIL.Image

from snapfind.core.errors import BadPicture, BadQuery
from snapfind.core.types import Box, Like, Query, Regions
from snapfind.media.image.formats import SUFFIXES as IMAGE_SUFFIXES

__all__ = ["Wanted", "as_mark", "as_query"]

Wanted = str | Path | bytes | PIL.Image.Image | Like | Query | Sequence[Like]


def as_query(
    wanted: Wanted,
    filter: str | None = None,
    box: Box | None = None,
    regions: Regions | None = None,
    category: str | None = None,
    marked: Sequence[Like] = (),
) -> Query:
    """A str is a photo when it names a file, a text otherwise. Raises BadQuery, and BadPicture for a missing photo.

    `box` needs exactly one photo; `filter` is added to that of a Query; what else is given replaces what it has.
    """
    if not isinstance(wanted, Query):
        one = isinstance(wanted, (str, Path, bytes, PIL.Image.Image, Like))
        wanted = Query((as_like(wanted),) if one else tuple(wanted))  # type: ignore[arg-type]
    both = " and ".join(f"({text})" if wanted.filter and filter else text for text in (wanted.filter, filter) if text)
    query = replace(
        wanted,
        filter=both or None,
        regions=regions or wanted.regions,
        category=category or wanted.category,
        marked=(*wanted.marked, *marked),
    )
    return _boxed(query, box)


def as_like(wanted: str | Path | bytes | PIL.Image.Image | Like, weight: float = 1.0) -> Like:
    """One ingredient. Raises BadPicture when a text ends like a picture file and there is no such file."""
    if isinstance(wanted, Like):
        return wanted
    if not isinstance(wanted, str):
        return Like(photo=wanted, weight=weight)
    path = Path(wanted)
    if _is_file(path):
        return Like(photo=path, weight=weight)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        raise BadPicture(f"there is no picture {wanted}; check the path", code="picture_missing")
    return Like(text=wanted, weight=weight)


def as_mark(wanted: str | Path | bytes | PIL.Image.Image, weight: float) -> Like:
    """Something marked right or wrong: a str is a photo when it names a file, a product's id otherwise."""
    if isinstance(wanted, str) and not _is_file(Path(wanted)):
        return Like(product=wanted, weight=weight)
    return Like(photo=wanted, weight=weight)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a long text, or one with a null character, is no path
        return False


def _boxed(query: Query, box: Box | None) -> Query:
    if box is None:
        return query
    if sum(like.photo is not None for like in query.likes) != 1:
        raise BadQuery("a box needs exactly one photo; use Like(photo=…, box=…) for several", field="box")
    return replace(
        query, likes=tuple(replace(like, box=box) if like.photo is not None else like for like in query.likes)
    )
