"""Rows of a CSV, JSON, JSONL or Parquet file, one at a time; a broken row is a BadRow in its place.

The suffix says what a table should be. Where the content says otherwise (gzip, UTF-16, a JSON list in `.jsonl`), the
content decides.
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
TABLES = (*_TEXTS, *_OBJECTS, ".parquet")  # all but Parquet may end in .gz too
_MOST_UNPACKED = 4 * 2**30  # bytes of a table that is compressed
_MOST_NAMES = 10_000  # keys of all objects of a JSON table
_MOST_LINE = 32 * 2**20  # characters of a line of JSON
_BATCH = 64  # rows of Parquet, which may hold pictures
Row = tuple[int, dict[str, Any] | BadRow]


def table_suffix(name: str) -> str:
    """The suffix of a table's file name, such as `.csv` or `.csv.gz`; empty for another file."""
    name = name.lower()
    zipped = ".gz" if name.endswith(".gz") else ""
    suffix = Path(name.removesuffix(".gz")).suffix
    return suffix + zipped if suffix in TABLES and not (zipped and suffix == ".parquet") else ""


def rows(path: Path, groups: Groups = ()) -> Iterator[Row]:
    """Read a table.

    Args:
        path: The file.
        groups: Names of columns; the header of a CSV is the first row with one of each.

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
        raise BadInput(f"{path.name} is a spreadsheet or a zip file; save the sheet as CSV UTF-8, or unpack it")
    return _json(path, suffix) if suffix in _OBJECTS else _delimited_rows(path, groups)


def header(path: Path, groups: Groups = ()) -> list[str]:
    """The columns of a table, in order; of JSON the keys of all its rows. Raises BadInput for an empty table."""
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
    """The columns of a table, also of a CSV without rows. Raises BadInput."""
    if table_suffix(path.name).startswith((*_OBJECTS, ".parquet")):
        return header(path, groups)
    with _delimited(path, groups) as table:
        return list(table.names)


def has_other_delimiter(path: Path, groups: Groups = ()) -> bool:
    """Whether a CSV separates its cells by something else, as spreadsheets do where the comma is the decimal mark."""
    if not table_suffix(path.name).startswith(_TEXTS):
        return False
    with _delimited(path, groups) as table:
        return table.delimiter != ","


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


class _Unpacked(io.RawIOBase):
    """The bytes of a gzip file up to a bound."""

    def __init__(self, path: Path) -> None:
        self._file, self._left, self._name = gzip.GzipFile(path, "rb"), _MOST_UNPACKED, path.name

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Raise BadInput beyond the bound and for broken files."""
        try:
            piece = self._file.read(len(buffer))
        except (OSError, EOFError, zlib.error) as error:
            raise BadInput(f"{self._name} is not a whole gzip file ({str(error)[:80]}); copy it again") from error
        self._left -= len(piece)
        if self._left < 0:
            raise BadInput(f"{self._name} unpacks to more than {_MOST_UNPACKED:,} bytes; unpack it first")
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        """Close the file too."""
        self._file.close()
        super().close()


@contextmanager
def _text(path: Path) -> Iterator[TextIO]:
    """The text of a file; bytes that are not UTF-8 become lone surrogates."""
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
    listed = _whole(path, suffix) if suffix == ".json" or start == "[" else None
    return _lines(path) if listed is None else ((number, _object(row)) for number, row in enumerate(listed, 1))


def _after_space(file: TextIO) -> str:
    while (sign := file.read(1)).isspace():
        pass
    return sign


def _whole(path: Path, suffix: str) -> list[Any] | None:
    """The list that a file holds; None where it holds an object a line."""
    with _text(path) as file:
        text = file.read()
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError) as error:
        if suffix != ".json" or (text.lstrip().startswith("{") and "Extra data" in str(error)):
            return None
        raise BadInput(f"{path.name} is not JSON ({str(error)[:80]})") from error
    if isinstance(listed, list):
        return listed
    if suffix != ".json":
        return None
    raise BadInput(f"{path.name} is no list of products: write [{{…}}, {{…}}], or an object a line as .jsonl")


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
                yield number, _parsed(line)


def _parsed(line: str) -> dict[str, Any] | BadRow:
    try:
        return _object(json.loads(line))
    except (ValueError, RecursionError) as error:
        return BadRow(f"the line is not JSON ({str(error)[:80]})")


def _object(row: Any) -> dict[str, Any] | BadRow:
    """Half of a character (\\ud83d alone) can be stored nowhere, nor can bytes that are not UTF-8."""
    if not isinstance(row, dict):
        return BadRow("the line is not a JSON object")
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return BadRow("a text ends in the middle of a character, or is not UTF-8; write it anew")
    return row


def _parquet(path: Path) -> Iterator[Row]:
    import duckdb

    try:
        with connect() as connection:
            described = connection.execute("describe select * from read_parquet(?)", [str(path)]).fetchall()
            kinds = {str(name): str(kind).upper() for name, kind, *_ in described}
            chosen = ", ".join(_without_zone(name, "WITH TIME ZONE" in kind) for name, kind in kinds.items())
            # names of columns cannot be bound as parameters; each is quoted
            found = connection.execute(f"select {chosen} from read_parquet(?)", [str(path)])  # noqa: S608
            number = 0
            while batch := found.fetchmany(_BATCH):
                for cells in batch:
                    number += 1
                    yield number, dict(zip(kinds, cells))
    except duckdb.Error as error:
        reason = " ".join(str(error).split())[:120]
        raise BadInput(f"{path.name} is not a Parquet file that can be read: {reason}") from error


def _without_zone(name: str, zoned: bool) -> str:
    """A column; times with a zone as text, since DuckDB needs another library to give them as values."""
    quoted = '"' + name.replace('"', '""') + '"'
    return f"strftime({quoted} at time zone 'UTC', '%Y-%m-%dT%H:%M:%S+00:00') as {quoted}" if zoned else quoted
