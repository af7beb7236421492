"""Reader of delimited text (CSV, TSV, semicolons, bars) of shops and spreadsheets.

A row that cannot be read is rejected, never the table. Accepted in addition to RFC 4180: lines before the header, a
`sep=;` line, empty columns at the right, short rows, rows with additional empty cells, unclosed quotes, quotes within
cells, null characters, and all line endings.
"""

import csv
import re
from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TextIO

from snapfind.catalog.ingest.csv_safety import unescape
from snapfind.core.errors import BadInput, BadRow

__all__ = ["Delimited", "Groups", "read_delimited"]

Groups = Sequence[Collection[str]]  # a header has a name of each group, in lower case
_MOST = 8 * 2**20  # characters of a line, and of a row
_LINES = 1000  # lines of a row
_HEAD, _HEAD_LINES = 256 * 1024, 200  # characters and lines that are searched for the header
_DELIMITERS = ("\t", ";", ",", "|")
_SEPARATOR = re.compile(r'\s*"?sep=(.)"?[\s;,]*', re.IGNORECASE)
_TOO_LONG = "\0"  # placeholder of a dropped line, since lines have no null characters

csv.field_size_limit(max(csv.field_size_limit(), _MOST))


@dataclass(frozen=True, slots=True)
class Delimited:
    """An opened table.

    Attributes:
        names: Columns.
        delimiter: Character between cells.
        rows: Pairs of line number from 1 and cells by column.
    """

    names: tuple[str, ...]
    delimiter: str
    rows: Iterator[tuple[int, dict[str, str] | BadRow]]


def read_delimited(file: TextIO, table: str, groups: Groups, default: str = ",") -> Delimited:
    """Find header and delimiter, and read the rows.

    Args:
        file: The text, opened with `newline=""` and `errors="surrogateescape"`.
        table: Name of the table for messages.
        groups: The header is the first row with a name of each group, or the first row if there is none.
        default: Delimiter of a header without one.

    Returns:
        The table.

    Raises:
        BadInput: Two columns have the same name and this name is one of `groups`, or the header is not UTF-8.
    """
    lines = _lines(file)
    head = list(islice(_head(lines), _HEAD_LINES))
    filled = [line for line in head if line.strip()]
    separator = _SEPARATOR.fullmatch(filled[0]) if filled else None
    try:
        delimiter, before = _layout(filled[bool(separator) :], groups, separator[1] if separator else None, default)
    except BadInput as error:
        raise BadInput(f"{table}: {error.message}") from None
    records = _Records(chain(head, lines), delimiter)
    cells = _header_cells(records, before + bool(separator))
    names = _names(cells, table, groups)
    return Delimited(tuple(filter(None, names)), delimiter, _rows(records, names))


def _lines(file: TextIO) -> Iterator[str]:
    """Iterate over lines with their endings, without null characters."""
    while line := file.readline(_MOST):
        whole = len(line) < _MOST or line.endswith(("\n", "\r"))
        yield line.replace("\0", "") if whole else _TOO_LONG
        while not whole and (rest := file.readline(_MOST)):
            whole = len(rest) < _MOST or rest.endswith(("\n", "\r"))


def _head(lines: Iterator[str]) -> Iterator[str]:
    size = 0
    while size < _HEAD and (line := next(lines, "")):
        size += len(line)
        yield line


def _layout(head: list[str], groups: Groups, delimiter: str | None, default: str) -> tuple[str, int]:
    """Return the delimiter, and the number of rows before the header."""
    candidates = []
    for each in [delimiter] if delimiter else _DELIMITERS:
        for number, cells in enumerate(_sample(head, each)):
            names = {_name(cell).lower() for cell in cells}
            if groups and all(names & set(group) for group in groups):
                candidates.append((len(names), each, number))
                break
    if candidates:
        _, best, before = max(candidates, key=lambda one: one[0])
        return best, before
    broken = _check_utf8(head[:1])
    if isinstance(broken, BadRow):
        raise BadInput(broken.message)
    delimiter = delimiter or _most_frequent(head[0] if head else "", default)
    wide = (number for number, cells in enumerate(_sample(head, delimiter)) if sum(map(bool, cells)) > 1)
    return delimiter, next(wide, 0)


def _sample(head: list[str], delimiter: str) -> Iterator[list[str]]:
    for record in _Records(iter(head), delimiter):
        yield [] if isinstance(record.cells, BadRow) else record.cells


def _most_frequent(line: str, default: str) -> str:
    counts = Counter(re.sub(r'"[^"]*"', "", line))
    best = max(_DELIMITERS[:3], key=lambda mark: counts[mark])
    return best if counts[best] else default


def _header_cells(records: "_Records", before: int) -> list[str]:
    record = next(islice(records, before, None), None)
    return [] if record is None or isinstance(record.cells, BadRow) else record.cells


def _names(cells: Sequence[str], table: str, groups: Groups) -> list[str]:
    """Return the name of each column, "" for none. A repeated name gets a number."""
    names: list[str] = []
    meanings = {name for group in groups for name in group}
    for name in map(_name, cells):
        if name in names and name.lower() in meanings:
            raise BadInput(f"{table} has two columns of the same name {name!r}; rename one")
        numbers = (f"{name} ({number})" for number in range(2, len(cells) + 2))
        names.append(next(each for each in numbers if each not in names) if name and name in names else name)
    return names


def _name(cell: str) -> str:
    return " ".join(unescape(cell.strip("\ufeff \t\r\n")).split())


def _rows(records: "_Records", names: Sequence[str]) -> Iterator[tuple[int, dict[str, str] | BadRow]]:
    for record in records:
        cells = record.cells if isinstance(record.cells, BadRow) else records.fit(record, len(names))
        if isinstance(cells, BadRow):
            yield record.number, cells
        elif any(cells):
            row = {name: unescape(cell) for name, cell in zip(names, cells) if name}
            nameless = next((cell for name, cell in zip(names, cells) if not name and cell.strip()), "")
            yield record.number, row | ({"": nameless} if nameless else {})


@dataclass(frozen=True, slots=True)
class _Record:
    """A row: number of its first line, its lines, and its cells."""

    number: int
    lines: list[str]
    cells: list[str] | BadRow


class _Records:
    """Iterates over rows of cells of any width."""

    def __init__(self, lines: Iterator[str], delimiter: str) -> None:
        self._rest, self._returned, self._delimiter, self._number = lines, deque[str](), delimiter, 0

    def __iter__(self) -> Iterator[_Record]:
        while (line := self._next()) is not None:
            if line.strip():
                yield self._record(line)

    def _next(self) -> str | None:
        line = self._returned.popleft() if self._returned else next(self._rest, None)
        self._number += line is not None
        return line

    def _give_back(self, lines: Sequence[str]) -> None:
        self._returned.extendleft(reversed(lines))
        self._number -= len(lines)

    def _record(self, line: str) -> _Record:
        number, used = self._number, [line]
        if line == _TOO_LONG:
            return _Record(number, used, BadRow(f"the line has more than {_MOST:,} characters; shorten its cells"))
        if '"' not in line:
            return _Record(number, used, _check_utf8(_raw(line, self._delimiter)))
        try:
            cells = next(csv.reader(self._feed(used), delimiter=self._delimiter, strict=True, skipinitialspace=True))
        except csv.Error:  # unclosed, or closed within a word: it is not a quote
            self._give_back(used[1:])
            return _Record(number, used[:1], _check_utf8(_raw(line, self._delimiter)))
        return _Record(number, used, _check_utf8(cells))

    def _feed(self, used: list[str]) -> Iterator[str]:
        """Yield the line, and further ones that may belong to the row."""
        yield used[0]
        size = len(used[0])
        while len(used) < _LINES and size < _MOST and (line := self._next()) is not None:
            used.append(line)
            size += len(line)
            if line == _TOO_LONG:
                return
            yield line

    def fit(self, record: _Record, width: int) -> list[str] | BadRow:
        """Return one cell for each column.

        If another interpretation of the first line has exactly as many cells, it is used.

        Args:
            record: The row.
            width: Number of columns.

        Returns:
            The cells, or BadRow if there are more cells than columns.
        """
        assert not isinstance(record.cells, BadRow)
        cells, first = _trim(record.cells, width), record.lines[0]
        whole = self._delimiter == "\t" and all(line.count("\t") == width - 1 for line in record.lines)
        if len(record.lines) > 1 and whole:  # the quotes belong to cells of two rows
            self._give_back(record.lines[1:])
            return _raw(first, "\t")
        if len(cells) == width:
            return cells
        for other in self._interpretations(first, len(cells) == 1):
            if len(_trim(other, width)) == width:
                self._give_back(record.lines[1:])
                return _trim(other, width)
        if len(cells) < width:
            return cells + [""] * (width - len(cells))
        mark = {"\t": "tab", ",": "comma", ";": "semicolon"}.get(self._delimiter, self._delimiter)
        return BadRow(f"the row has {len(cells)} cells, the header {width}; quote cells that hold a {mark}")

    def _interpretations(self, line: str, alone: bool) -> Iterator[list[str]]:
        yield _raw(line, self._delimiter)
        if '"' in line:
            yield _split(line, self._delimiter)
        for other in _DELIMITERS if alone else ():
            yield _split(line, other)


def _split(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])


def _raw(line: str, delimiter: str) -> list[str]:
    """Split a line at delimiters. Only quotes around a whole cell are removed."""
    cells = line.rstrip("\r\n\x1a").split(delimiter)
    return [_unquote(cell) for cell in cells] if '"' in line else cells


def _unquote(cell: str) -> str:
    whole = len(cell) > 1 and cell[0] == cell[-1] == '"'
    return cell[1:-1].replace('""', '"') if whole else cell


def _check_utf8(cells: list[str]) -> list[str] | BadRow:
    """Reject cells that are not UTF-8. Their bytes were decoded to lone surrogates, which cannot be encoded."""
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return BadRow("the row is not UTF-8; save the table as UTF-8, in Excel: CSV UTF-8")
    return cells


def _trim(cells: Sequence[str], width: int) -> list[str]:
    """Remove empty cells beyond the header."""
    end = len(cells)
    while end > width and not cells[end - 1].strip():
        end -= 1
    return list(cells[:end])
