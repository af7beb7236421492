"""Preparation of texts for BM25, the same for documents and queries in every index.

Tokenizers split "mug-1" at the hyphen and drop numbers. So codes that differ in a digit would be equal, and an EAN
would not be found. Each code is therefore added once more as one token, and a number with letters before it.
"""

import re
import unicodedata

__all__ = ["normalize_codes"]

# One character class and nothing after it, so that matching never backtracks. A pattern that looks for a digit further
# on reads the rest of a text without spaces at every character (40,000 characters took 12 s).
_RUN = re.compile(r"[A-Za-z0-9._/#-]+")
_MARKS = "._/#-"
_LONGEST = 64  # characters of a code, so that an inlined picture in base64 is not one


def normalize_codes(text: str) -> str:
    """Normalize a text (NFKC) and append its codes as single tokens.

    Args:
        text: Text of a product or of a query.

    Returns:
        The text with its codes.

    Example:
        >>> normalize_codes("mug-1 in blue, 4006381333931")
        'mug-1 in blue, 4006381333931 mug1 digits4006381333931'
    """
    text = unicodedata.normalize("NFKC", text)
    pieces = dict.fromkeys(filter(None, map(_code, _RUN.findall(text))))
    return " ".join([text, *(f"digits{piece}" if piece.isdigit() else piece for piece in pieces)])


def _code(run: str) -> str:
    """Return a run of letters, digits and marks without its marks, or "" if it is not a code."""
    run = run.strip(_MARKS)
    if not 2 <= len(run) <= _LONGEST or not any(sign.isdigit() for sign in run):
        return ""
    return "".join(sign for sign in run if sign not in _MARKS)
