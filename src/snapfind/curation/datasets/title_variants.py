"""Text augmentation: variants of a product title by rules.

The rules convert units (1 l, 1 litre, 1000 ml), change case and order, and remove the brand, brackets and accents.
"""

import re
import unicodedata
from collections.abc import Iterator

__all__ = ["title_variants"]

_UNITS = (("ml", "l", 1000), ("g", "kg", 1000), ("cm", "m", 100))
_WORDS = {"l": "litre", "ml": "millilitre", "g": "gram", "kg": "kilo", "cm": "centimetre"}
_AMOUNT = re.compile(r"\b(\d+(?:[.,]\d+)?)\s?(ml|cl|dl|l|kg|g|cm|mm)\b", re.IGNORECASE)
_BRACKETS = re.compile(r"[(\[][^()\[\]]*[)\]]")  # no bracket inside: a scan stops at the next one
_MOST = 12


def title_variants(title: str, brand: str = "") -> tuple[str, ...]:
    """Return variants of a title.

    Args:
        title: The title.
        brand: Brand to remove from it.

    Returns:
        At most 12 variants, each once, without the title itself.

    Example:
        >>> title_variants("Acme apple juice 1 l", "Acme")[:2]
        ('apple juice 1 l', 'Acme apple juice 1000 ml')
    """
    result: dict[str, None] = {}
    for variant in (
        _without(title, brand),
        *_amounts(title),
        _BRACKETS.sub(" ", title),
        _plain(title),
        title.lower(),
        *_reordered(title),
    ):
        tidy = " ".join(variant.split())
        if tidy and tidy != " ".join(title.split()):
            result.setdefault(tidy)
    return tuple(result)[:_MOST]


def _without(title: str, word: str) -> str:
    return re.sub(rf"\b{re.escape(word)}\b", "", title, flags=re.IGNORECASE) if word else title


def _plain(title: str) -> str:
    """Remove accents."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", title) if not unicodedata.combining(sign))


def _amounts(title: str) -> Iterator[str]:
    """Yield the title with the amount in the other unit, and with the unit as a word."""
    match = _AMOUNT.search(title)
    if not match:
        return
    count, unit = float(match[1].replace(",", ".")), match[2].lower()
    for small, large, factor in _UNITS:
        if unit == large:
            yield _replace_amount(title, match, f"{count * factor:g} {small}")
        elif unit == small:
            yield _replace_amount(title, match, f"{count / factor:g} {large}")
    if unit in _WORDS:
        yield _replace_amount(title, match, f"{match[1]} {_WORDS[unit]}")
    yield _replace_amount(title, match, f"{match[1]}{match[2]}")


def _replace_amount(title: str, match: re.Match[str], amount: str) -> str:
    return title[: match.start()] + amount + title[match.end() :]


def _reordered(title: str) -> Iterator[str]:
    """Yield the title with the first word last, and with the parts around commas reversed."""
    words = title.split()
    if len(words) > 2:
        yield " ".join([*words[1:], words[0]])
    if ", " in title:
        yield " ".join(reversed(title.split(", ")))
