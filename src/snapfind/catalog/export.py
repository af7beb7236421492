"""A catalogue as a table on disk, the mirror of `add`: JSONL or Parquet, with or without vectors, with its pictures.

CSV is for spreadsheets: without vectors and without our own columns, lists parted by bars.
"""

import csv
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from snapfind.database import connect
from snapfind.errors import BadInput
from snapfind.index.payload import point_id
from snapfind.types import Kind

__all__ = ["FORMATS", "with_copies", "write_table"]

FORMATS = (".csv", ".jsonl", ".parquet")
_SQL: dict[Kind, str] = {
    "text": "varchar",
    "number": "double",
    "bool": "boolean",
    "date": "varchar",  # ISO texts: a column may hold dates with and without a time
    "list": "varchar[]",
}
_OWN = {"_primary": "boolean", "_hash": "varchar", "_width": "integer", "_height": "integer"}


def write_table(rows: Iterable[Mapping[str, Any]], target: Path, schema: Mapping[str, Kind], *, vectors: bool) -> int:
    """Write the rows; the file is there when it is whole, and not before. Returns how many. Raises BadInput."""
    if target.suffix.lower() not in FORMATS:
        raise BadInput(f"{target.name}: an export ends in {', '.join(FORMATS)}")
    if vectors and target.suffix.lower() == ".csv":
        raise BadInput(f"{target.name}: vectors go into JSONL or Parquet; leave them out or give such a name")
    if not target.parent.is_dir():
        raise BadInput(f"{target.parent} is not a folder; make it first")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".snapfind-") as folder:
        lines = Path(folder) / "rows.jsonl"
        count = 0
        with lines.open("w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
        if target.suffix.lower() == ".parquet":
            lines = _parquet(lines, Path(folder) / "rows.parquet", schema, vectors=vectors)
        elif target.suffix.lower() == ".csv":
            lines = _csv(lines, Path(folder) / "rows.csv", schema)
        lines.replace(target)
    return count


def with_copies(
    rows: Iterable[Mapping[str, Any]], copy_of: Callable[[str, str], bytes], folder: Path
) -> Iterator[dict[str, Any]]:
    """The same rows, with the kept copy of each picture written into `folder` and named by its row."""
    folder.mkdir(exist_ok=True)
    for row in rows:
        name = point_id(row["id"], row["picture"]) + ".jpg"
        (folder / name).write_bytes(copy_of(row["id"], row["picture"]))
        yield {**row, "picture": f"{folder.name}/{name}"}


def _csv(lines: Path, target: Path, schema: Mapping[str, Kind]) -> Path:
    # with a byte order mark: without it Excel takes UTF-8 for the code page of its machine
    with lines.open(encoding="utf-8") as rows, target.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, ["id", *schema, "picture"], extrasaction="ignore")
        writer.writeheader()
        for row in map(json.loads, rows):
            writer.writerow({name: _cell(value) for name, value in row.items()})
    return target


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "|".join(value) if isinstance(value, list) else value


def _parquet(lines: Path, target: Path, schema: Mapping[str, Kind], *, vectors: bool) -> Path:
    columns = {"id": "varchar"} | {name: _SQL[kind] for name, kind in schema.items()} | {"picture": "varchar"} | _OWN
    if vectors:
        columns["_vectors"] = "map(varchar, float[])"
    described = "{" + ", ".join(f"{_quoted(name)}: '{kind}'" for name, kind in columns.items()) + "}"
    read = f"read_json({_quoted(str(lines))}, format='newline_delimited', columns={described})"
    with connect() as connection:
        # names and paths cannot be bound as parameters here; each is quoted
        connection.execute(f"copy (from {read}) to {_quoted(str(target))} (format parquet, compression zstd)")
    return target


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
