"""Texts as BM25 sees them, the same for documents and queries in every engine.

Tokenisers part "mug-1" at its hyphen and drop what is digits alone, so codes that differ by a digit would look alike
and an EAN would not be found: every code (letters and digits mixed, or with marks inside) is given once more in one
piece, and one of digits alone with letters before it.
"""

import re
import unicodedata

__all__ = ["spelled"]

_CODE = re.compile(r"(?=[^\s]*\d)[A-Za-z0-9][A-Za-z0-9._/#-]*[A-Za-z0-9]")


def spelled(text: str) -> str:
    """The text with its codes in one piece added: `mug-1` -> `mug-1 mug1`; compatibility forms made one (NFKC).

    >>> spelled("mug-1 in blue, 4006381333931")
    'mug-1 in blue, 4006381333931 mug1 digits4006381333931'
    """
    text = unicodedata.normalize("NFKC", text)
    pieces = dict.fromkeys(re.sub(r"[^A-Za-z0-9]", "", found) for found in _CODE.findall(text))
    return " ".join([text, *(f"digits{piece}" if piece.isdigit() else piece for piece in pieces if piece)])
