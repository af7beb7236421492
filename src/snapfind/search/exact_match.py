"""Products that a shopper named: an id, a title or a brand typed whole comes before anything that is only like it."""

import re
import unicodedata
from collections.abc import Sequence

from snapfind.index.base import Found

__all__ = ["named"]

_APART = re.compile(r"[^\w]+")


def named(found: Sequence[Found], words: str) -> dict[str, int]:
    """Product id -> 0 where the words are its id or its title, 1 where they are its brand.

    Case, compatibility forms and what stands between words do not count: `mug 1` is `MUG-1`.
    """
    wanted = _plain(words)
    if not wanted:
        return {}
    ranks: dict[str, int] = {}
    for one in found:
        payload = one.payload
        own = {_plain(str(payload["_product"])), _plain(str(payload.get("title", "")))}
        rank = 0 if wanted in own else 1 if wanted == _plain(str(payload.get("brand", ""))) else None
        if rank is not None:
            ranks[str(payload["_product"])] = rank
    return ranks


def _plain(text: str) -> str:
    return _APART.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
