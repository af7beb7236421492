"""Texts as BM25 sees them, the same for documents and queries in every engine.

Tokenizers part "mug-1" at its hyphen and drop what is digits alone, so codes that differ by a digit would look alike
and an EAN would not be found: every code (letters and digits mixed, or with marks inside) is given once more in one
piece, and one of digits alone with letters before it.
"""

import re
import unicodedata

__all__ = ["spelled"]

# One character class and nothing behind it, so that a scan never goes back: a pattern that looks for a digit further
# on reads the rest of an unspaced text at every character (40,000 characters took 12 s).
_RUN = re.compile(r"[A-Za-z0-9._/#-]+")
_MARKS = "._/#-"
_LONGEST = 64  # characters of a code: an inlined picture in base64 is none


def spelled(text: str) -> str:
    """The text with its codes in one piece added: `mug-1` -> `mug-1 mug1`; compatibility forms made one (NFKC).

    >>> spelled("mug-1 in blue, 4006381333931")
    'mug-1 in blue, 4006381333931 mug1 digits4006381333931'
    """
    text = unicodedata.normalize("NFKC", text)
    pieces = dict.fromkeys(filter(None, map(_code, _RUN.findall(text))))
    return " ".join([text, *(f"digits{piece}" if piece.isdigit() else piece for piece in pieces)])


def _code(run: str) -> str:
    """A run of letters, digits and marks without its marks; "" where it is no code."""
    run = run.strip(_MARKS)
    if not 2 <= len(run) <= _LONGEST or not any(sign.isdigit() for sign in run):
        return ""
    return "".join(sign for sign in run if sign not in _MARKS)
