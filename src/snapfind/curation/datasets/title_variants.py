"""How else a product is called: variants of its title by rules.

Units converted and written out (1 l, 1 litre, 1000 ml), case, order, without the brand, without what stands in
brackets, accents taken off.
"""

import re
import unicodedata
from collections.abc import Iterator

__all__ = ["variants"]

_UNITS = (("ml", "l", 1000), ("g", "kg", 1000), ("cm", "m", 100))
_WORDS = {"l": "litre", "ml": "millilitre", "g": "gram", "kg": "kilo", "cm": "centimetre"}
_AMOUNT = re.compile(r"\b(\d+(?:[.,]\d+)?)\s?(ml|cl|dl|l|kg|g|cm|mm)\b", re.IGNORECASE)
_BRACKETS = re.compile(r"[(\[][^()\[\]]*[)\]]")  # no bracket inside: a scan stops at the next one
_MOST = 12


def variants(title: str, brand: str = "") -> tuple[str, ...]:
    """Other ways to write a title, each once, without the title itself; at most 12.

    >>> variants("Acme apple juice 1 l", "Acme")[:2]
    ('apple juice 1 l', 'Acme apple juice 1000 ml')
    """
    found: dict[str, None] = {}
    for made in (
        _without(title, brand),
        *_amounts(title),
        _BRACKETS.sub(" ", title),
        _plain(title),
        title.lower(),
        *_turned(title),
    ):
        tidy = " ".join(made.split())
        if tidy and tidy != " ".join(title.split()):
            found.setdefault(tidy)
    return tuple(found)[:_MOST]


def _without(title: str, word: str) -> str:
    return re.sub(rf"\b{re.escape(word)}\b", "", title, flags=re.IGNORECASE) if word else title


def _plain(title: str) -> str:
    """Without accents."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", title) if not unicodedata.combining(sign))


def _amounts(title: str) -> Iterator[str]:
    """With the amount in the other unit, and its unit as a word."""
    match = _AMOUNT.search(title)
    if not match:
        return
    count, unit = float(match[1].replace(",", ".")), match[2].lower()
    for small, large, factor in _UNITS:
        if unit == large:
            yield _put(title, match, f"{count * factor:g} {small}")
        elif unit == small:
            yield _put(title, match, f"{count / factor:g} {large}")
    if unit in _WORDS:
        yield _put(title, match, f"{match[1]} {_WORDS[unit]}")
    yield _put(title, match, f"{match[1]}{match[2]}")


def _put(title: str, match: re.Match[str], amount: str) -> str:
    return title[: match.start()] + amount + title[match.end() :]


def _turned(title: str) -> Iterator[str]:
    """The first word last, and the parts about a comma changed round."""
    words = title.split()
    if len(words) > 2:
        yield " ".join([*words[1:], words[0]])
    if ", " in title:
        yield " ".join(reversed(title.split(", ")))
