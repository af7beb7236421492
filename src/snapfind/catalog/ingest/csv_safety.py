"""Protection against CSV injection (OWASP): cells that a spreadsheet would run as formulas get an apostrophe.

`unescape` removes the apostrophe, so that an exported table can be added again. Numbers such as `-5` are not changed.
"""

import csv
import re
from collections.abc import Iterable
from typing import Any, TextIO

__all__ = ["escape", "unescape", "write_rows"]

_FORMULA = re.compile(r"'*[=+\-@\t\r＝＋－＠]")  # full-width signs count in East Asian versions of Excel
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)*([eE][+-]?\d+)?")


def escape(cell: Any) -> Any:
    """Put an apostrophe before a text that a spreadsheet would run as a formula.

    Args:
        cell: Cell of any type.

    Returns:
        The cell, safe to open in a spreadsheet.
    """
    if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return "'" + cell
    return cell


def unescape(cell: str) -> str:
    """Remove the apostrophe of `escape`.

    Args:
        cell: Text of a cell.

    Returns:
        The original text.
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def write_rows(file: TextIO, rows: Iterable[Iterable[Any]]) -> None:
    """Write rows as CSV with escaped cells.

    Args:
        file: Output.
        rows: Cells of each row.
    """
    csv.writer(file).writerows([escape(cell) for cell in row] for row in rows)
