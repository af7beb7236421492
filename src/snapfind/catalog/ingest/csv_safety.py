"""CSV that is safe to open in a spreadsheet: cells that a spreadsheet would run as formulas get an apostrophe.

See OWASP, "CSV Injection". `unescape` takes the apostrophe off again, so a table that is exported and added is the
same. Numbers such as `-5` are left as they are.
"""

import csv
import re
from collections.abc import Iterable
from typing import Any, TextIO

__all__ = ["escape", "unescape", "write_rows"]

_FORMULA = re.compile(r"'*[=+\-@\t\r＝＋－＠]")  # full-width signs count in East Asian versions of Excel
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)*([eE][+-]?\d+)?")


def escape(cell: Any) -> Any:
    """Put an apostrophe before a text that a spreadsheet would take for a formula."""
    if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return "'" + cell
    return cell


def unescape(cell: str) -> str:
    """Take off the apostrophe that `escape` put there."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def write_rows(file: TextIO, rows: Iterable[Iterable[Any]]) -> None:
    """Write rows as CSV with cells that are safe in a spreadsheet."""
    csv.writer(file).writerows([escape(cell) for cell in row] for row in rows)
