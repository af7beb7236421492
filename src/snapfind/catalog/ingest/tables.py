"""Readers of CSV, JSON, JSONL and Parquet, row by row. A row that cannot be read is a BadRow in its place.

The format follows from the suffix, unless the content is different (gzip, UTF-16, a JSON list in `.jsonl`).
"""

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from snapfind.catalog.ingest.delimited import Delimited, Groups, read_delimited
from snapfind.core.database import connect
from snapfind.core.errors import BadInput, BadRow

__all__ = ["TABLES", "column_names", "has_other_delimiter", "header", "rows", "table_suffix"]

_TEXTS = (".csv", ".tsv", ".txt")
_OBJECTS = (".json", ".jsonl", ".ndjson")
TABLES = (*_TEXTS, *_OBJECTS, ".parquet")  # all but Parquet may also end in .gz
_MOST_UNPACKED = 4 * 2**30  # bytes of an unpacked table
_MOST_NAMES = 10_000  # different keys of a JSON table
_MOST_LINE = 32 * 2**20  # characters of a line of JSON
_BATCH = 64  # rows of Parquet, which may hold pictures
Row = tuple[int, dict[str, Any] | BadRow]


def table_suffix(name: str) -> str:
    """Return the suffix of a table.

    Args:
        name: File name.

    Returns:
        Suffix such as `.csv` or `.csv.gz`, empty if it is not that of a table.
    """
    name = name.lower()
    zipped = ".gz" if name.endswith(".gz") else ""
    suffix = Path(name.removesuffix(".gz")).suffix
    return suffix + zipped if suffix in TABLES and not (zipped and suffix == ".parquet") else ""


def rows(path: Path, groups: Groups = ()) -> Iterator[Row]:
    """Read a table.

    Args:
        path: The file.
        groups: The header of a CSV is the first row with a name of each group.

    Yields:
        `(line number from 1, values by column or BadRow)` for every row.

    Raises:
        BadInput: The file is not a table.
    """
    suffix = table_suffix(path.name).removesuffix(".gz")
    head = _head(path)
    if suffix == ".parquet" or head.startswith(b"PAR1"):
        return _parquet(path)
    if head.startswith(b"PK\3\4"):
        raise BadInput(f"{path.name} is a spreadsheet or a zip file; save the sheet as CSV UTF-8, or unpack the file")
    return _json(path, suffix) if suffix in _OBJECTS else _delimited_rows(path, groups)


def header(path: Path, groups: Groups = ()) -> list[str]:
    """Read the columns of a table.

    Args:
        path: The file.
        groups: The header of a CSV is the first row with a name of each group.

    Returns:
        Names in order. Of JSON, the keys of all rows.

    Raises:
        BadInput: The table is empty or cannot be read.
    """
    names: dict[str, None] = {}
    broken = ""
    for _, row in rows(path, groups):
        if isinstance(row, BadRow):
            broken = broken or f" that can be read; the first: {row.message}"
            continue
        names.update(dict.fromkeys(row))
        if len(names) > _MOST_NAMES:
            raise BadInput(f"{path.name} has more than {_MOST_NAMES:,} columns; use fewer")
        if not table_suffix(path.name).startswith(_OBJECTS):
            break
    if not names:
        raise BadInput(f"{path.name} has no rows{broken}")
    return list(names)


def column_names(path: Path, groups: Groups = ()) -> list[str]:
    """Read the columns of a table, which may be a CSV without rows.

    Args:
        path: The file.
        groups: The header of a CSV is the first row with a name of each group.

    Returns:
        Names in order.

    Raises:
        BadInput: The table cannot be read.
    """
    if table_suffix(path.name).startswith((*_OBJECTS, ".parquet")):
        return header(path, groups)
    with _delimited(path, groups) as table:
        return list(table.names)


def has_other_delimiter(path: Path, groups: Groups = ()) -> bool:
    """Tell whether a CSV has another delimiter than the comma, as spreadsheets write if that is the decimal mark.

    Args:
        path: The file.
        groups: The header of a CSV is the first row with a name of each group.

    Returns:
        True for another delimiter. False for other formats.
    """
    if not table_suffix(path.name).startswith(_TEXTS):
        return False
    with _delimited(path, groups) as table:
        return table.delimiter != ","


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


class _Unpacked(io.RawIOBase):
    """The unpacked bytes of a gzip file, up to a limit."""

    def __init__(self, path: Path) -> None:
        self._file, self._left, self._name = gzip.GzipFile(path, "rb"), _MOST_UNPACKED, path.name

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read bytes. Raise BadInput beyond the limit and for damaged files."""
        try:
            piece = self._file.read(len(buffer))
        except (OSError, EOFError, zlib.error) as error:
            raise BadInput(f"{self._name} is not a complete gzip file ({str(error)[:80]}); copy it again") from error
        self._left -= len(piece)
        if self._left < 0:
            raise BadInput(f"{self._name} unpacks to more than {_MOST_UNPACKED:,} bytes; unpack it first")
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


@contextmanager
def _text(path: Path) -> Iterator[TextIO]:
    """Open a file as text. Bytes that are not UTF-8 become lone surrogates."""
    zipped = _head(path).startswith(b"\x1f\x8b")
    raw = cast("io.RawIOBase", _Unpacked(path)) if zipped else cast("io.RawIOBase", path.open("rb", buffering=0))
    with io.BufferedReader(raw, 2**16) as file:
        encoding = _encoding(file.peek(256)[:256])
        errors = "surrogateescape" if encoding == "utf-8-sig" else "replace"
        with io.TextIOWrapper(cast("BinaryIO", file), encoding=encoding, errors=errors, newline="") as text:
            yield text


def _encoding(head: bytes) -> str:
    if head.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    half = len(head) // 2
    if half > 1 and head[1::2].count(0) > 0.4 * half:
        return "utf-16-le"
    return "utf-16-be" if half > 1 and head[::2].count(0) > 0.4 * half else "utf-8-sig"


@contextmanager
def _delimited(path: Path, groups: Groups) -> Iterator[Delimited]:
    with _text(path) as file:
        yield read_delimited(file, path.name, groups, "\t" if ".tsv" in path.name.lower() else ",")


def _delimited_rows(path: Path, groups: Groups) -> Iterator[Row]:
    with _delimited(path, groups) as table:
        yield from table.rows


def _json(path: Path, suffix: str) -> Iterator[Row]:
    with _text(path) as file:
        start = _after_space(file)
    rows_of_list = _whole(path, suffix) if suffix == ".json" or start == "[" else None
    return (
        _lines(path) if rows_of_list is None else ((number, _object(row)) for number, row in enumerate(rows_of_list, 1))
    )


def _after_space(file: TextIO) -> str:
    while (sign := file.read(1)).isspace():
        pass
    return sign


def _whole(path: Path, suffix: str) -> list[Any] | None:
    """Return the list of a file, or None if it has an object per line."""
    with _text(path) as file:
        text = file.read()
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        if suffix != ".json" or (text.lstrip().startswith("{") and "Extra data" in str(error)):
            return None
        raise BadInput(f"{path.name} is not JSON ({str(error)[:80]})") from error
    if isinstance(content, list):
        return content
    if suffix != ".json":
        return None
    raise BadInput(f"{path.name} is not a list of products; write [{{…}}, {{…}}], or an object per line as .jsonl")


def _lines(path: Path) -> Iterator[Row]:
    with _text(path) as file:
        number = 0
        while line := file.readline(_MOST_LINE):
            number += 1
            if len(line) == _MOST_LINE and not line.endswith(("\n", "\r")):
                yield number, BadRow(f"the line has more than {_MOST_LINE:,} characters; shorten its texts")
                while (rest := file.readline(_MOST_LINE)) and not rest.endswith(("\n", "\r")):
                    pass
            elif line.strip():
                yield number, _parse_line(line)


def _parse_line(line: str) -> dict[str, Any] | BadRow:
    try:
        return _object(json.loads(line))
    except (ValueError, RecursionError) as error:
        return BadRow(f"the line is not JSON ({str(error)[:80]})")


def _object(row: Any) -> dict[str, Any] | BadRow:
    """Reject lone surrogates, which no encoding can store. Bytes that are not UTF-8 have become such."""
    if not isinstance(row, dict):
        return BadRow("the line is not a JSON object")
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return BadRow("a text contains a lone surrogate, or is not UTF-8; write it again")
    return row


def _parquet(path: Path) -> Iterator[Row]:
    import duckdb

    try:
        with connect() as connection:
            described = connection.execute("describe select * from read_parquet(?)", [str(path)]).fetchall()
            kinds = {str(name): str(kind).upper() for name, kind, *_ in described}
            chosen = ", ".join(_without_zone(name, "WITH TIME ZONE" in kind) for name, kind in kinds.items())
            # column names cannot be bound as parameters, so each is quoted
            result = connection.execute(f"select {chosen} from read_parquet(?)", [str(path)])  # noqa: S608
            number = 0
            while batch := result.fetchmany(_BATCH):
                for cells in batch:
                    number += 1
                    yield number, dict(zip(kinds, cells))
    except duckdb.Error as error:
        # the folder is removed before the cut, which would leave a part of it that `without_folders` does not know
        reason = " ".join(str(error).replace(str(path), path.name).split())[:120]
        raise BadInput(f"{path.name} is not a Parquet file that can be read: {reason}") from error


def _without_zone(name: str, zoned: bool) -> str:
    """Return a column of a query. Times with a zone become texts, because DuckDB needs another library for them."""
    quoted = '"' + name.replace('"', '""') + '"'
    return f"strftime({quoted} at time zone 'UTC', '%Y-%m-%dT%H:%M:%S+00:00') as {quoted}" if zoned else quoted
