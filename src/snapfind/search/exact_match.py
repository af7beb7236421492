"""Exact matches: products whose id, article number, title or brand is the whole query text."""

import re
import unicodedata
from collections.abc import Sequence

from snapfind.index.base import IndexMatch

__all__ = ["IDENTIFIER", "NOT_EXACT", "exact_matches"]

IDENTIFIER, _TITLE, _BRAND, NOT_EXACT = range(4)
_NUMBERS = ("sku", "ean", "gtin", "upc", "mpn", "isbn", "barcode")  # attributes that identify a product

_SEPARATORS = re.compile(r"[^\w]+")


def exact_matches(points: Sequence[IndexMatch], text: str) -> dict[str, int]:
    """Find the products whose id, article number (SKU, EAN, GTIN, …), title or brand equals a text.

    The comparison ignores case, Unicode compatibility forms, and separators: `mug 1` equals `MUG-1`.

    Args:
        points: Points to compare.
        text: Query text.

    Returns:
        Product id -> `IDENTIFIER` for an equal id or number, then a title, then a brand: lower is better. Other
        products are left out.
    """
    query = _normalized(text)
    if not query:
        return {}
    ranks: dict[str, int] = {}
    for point in points:
        payload = point.payload
        numbers = {_normalized(str(value)) for name, value in payload.items() if name.casefold() in _NUMBERS}
        if query in numbers | {_normalized(str(payload["_product"]))}:
            rank = IDENTIFIER
        elif query == _normalized(str(payload.get("title", ""))):
            rank = _TITLE
        else:
            rank = _BRAND if query == _normalized(str(payload.get("brand", ""))) else NOT_EXACT
        if rank < NOT_EXACT:
            ranks[str(payload["_product"])] = rank
    return ranks


def _normalized(text: str) -> str:
    return _SEPARATORS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
