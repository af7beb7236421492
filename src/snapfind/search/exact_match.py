"""Exact matches: products whose id, title or brand is the whole query text."""

import re
import unicodedata
from collections.abc import Sequence

from snapfind.index.base import IndexMatch

__all__ = ["exact_matches"]

_SEPARATORS = re.compile(r"[^\w]+")


def exact_matches(points: Sequence[IndexMatch], text: str) -> dict[str, int]:
    """Find the products whose id, title or brand equals a text.

    The comparison ignores case, Unicode compatibility forms, and separators: `mug 1` equals `MUG-1`.

    Args:
        points: Points to compare.
        text: Query text.

    Returns:
        Product id -> 0 for an equal id or title, 1 for an equal brand. Other products are left out.
    """
    query = _normalized(text)
    if not query:
        return {}
    ranks: dict[str, int] = {}
    for point in points:
        payload = point.payload
        names = {_normalized(str(payload["_product"])), _normalized(str(payload.get("title", "")))}
        rank = 0 if query in names else 1 if query == _normalized(str(payload.get("brand", ""))) else None
        if rank is not None:
            ranks[str(payload["_product"])] = rank
    return ranks


def _normalized(text: str) -> str:
    return _SEPARATORS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
