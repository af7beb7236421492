"""Rows of a CSV, JSON, JSONL or Parquet file, one at a time; a broken row is a BadRow in its place."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from snapfind.database import connect
from snapfind.errors import BadInput, BadRow

__all__ = ["TABLES", "header", "leaves_commas", "rows"]

TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
_SAMPLE = 64 * 1024  # characters in which the mark between cells is looked for
Row = tuple[int, dict[str, Any] | BadRow]


def rows(path: Path) -> Iterator[Row]:
    """`(line number from 1, values by column | BadRow)` for every row of a table."""
    if path.suffix.lower() in {".csv", ".tsv"}:
        return _csv(path)
    if path.suffix.lower() == ".parquet":
        return _parquet(path)
    return _json(path) if path.suffix.lower() == ".json" else _jsonl(path)


def header(path: Path) -> list[str]:
    """The columns of a table, in order; of JSONL the keys of all its rows. Raises BadInput for an empty table."""
    names: dict[str, None] = {}
    for _, row in rows(path):
        if isinstance(row, dict):
            names.update(dict.fromkeys(row))
            if path.suffix.lower() not in {".json", ".jsonl", ".ndjson"}:
                break
    if not names:
        raise BadInput(f"{path.name} has no rows")
    return list(names)


def leaves_commas(path: Path) -> bool:
    """Whether a CSV parts its cells by something else, as spreadsheets do where the comma is the mark of decimals."""
    if path.suffix.lower() not in {".csv", ".tsv"}:
        return False
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return _delimiter(file.read(_SAMPLE), path) != ","


def _csv(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            sample = file.read(_SAMPLE)
            file.seek(0)
            reader = csv.reader(file, delimiter=_delimiter(sample, path))
            names = [name.strip() for name in next(reader, [])]
            if len(set(names)) < len(names):
                raise BadInput(f"{path.name} has two columns of the same name; rename one")
            for cells in reader:
                if not any(cells):
                    continue
                if len(cells) != len(names):
                    reason = f"the row has {len(cells)} cells, the header {len(names)}; quote cells that hold a comma"
                    yield reader.line_num, BadRow(reason)
                else:
                    yield reader.line_num, dict(zip(names, cells))
        except UnicodeDecodeError as error:
            raise BadInput(
                f"{path.name} is not UTF-8 (byte {error.start}); save it as UTF-8, in Excel: CSV UTF-8"
            ) from error
        except csv.Error as error:
            raise BadInput(f"{path.name} is not CSV: {error}") from error


def _delimiter(sample: str, path: Path) -> str:
    first = sample.partition("\n")[0]
    counts = {mark: first.count(mark) for mark in ("\t", ";", ",")}
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best] else "\t" if path.suffix.lower() == ".tsv" else ","


def _json(path: Path) -> Iterator[Row]:
    try:
        listed = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path.name} is not JSON ({str(error)[:80]})") from error
    if not isinstance(listed, list):
        raise BadInput(f"{path.name} is no list of products: write [{{…}}, {{…}}], or an object a line as .jsonl")
    for number, row in enumerate(listed, 1):
        yield number, _object(row)


def _jsonl(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield number, _object(json.loads(line))
            except (ValueError, RecursionError) as error:
                yield number, BadRow(f"the line is not JSON ({str(error)[:80]})")


def _object(row: Any) -> dict[str, Any] | BadRow:
    """Half of a character (\\ud83d alone) can be stored nowhere."""
    if not isinstance(row, dict):
        return BadRow("the line is not a JSON object")
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return BadRow("a text ends in the middle of a character; write it anew")
    return row


def _parquet(path: Path) -> Iterator[Row]:
    import duckdb

    try:
        with connect() as connection:
            found = connection.execute("select * from read_parquet(?)", [str(path)])
            names = [column[0] for column in found.description or ()]
            number = 0
            while batch := found.fetchmany(1000):
                for cells in batch:
                    number += 1
                    yield number, dict(zip(names, map(_unwrap, cells)))
    except duckdb.Error as error:
        raise BadInput(f"{path.name} is not a Parquet file that can be read: {str(error)[:120]}") from error


def _unwrap(cell: Any) -> Any:
    return float(cell) if type(cell).__name__ == "Decimal" else cell
