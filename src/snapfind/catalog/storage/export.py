"""Export of a catalog to a table that `add` can read: JSONL or Parquet, with or without vectors, or CSV.

CSV is for spreadsheets: without vectors, with bars between the items of lists, and without formulas. Values that `add`
could misread are written explicitly: a list column is named `tags:list`, and a picture whose name contains a bar is a
JSON list of one name.
"""

import itertools
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from snapfind.catalog.ingest.csv_safety import write_rows
from snapfind.catalog.ingest.kinds import is_code, kind_of, merge_kinds
from snapfind.core.database import connect
from snapfind.core.errors import BadInput
from snapfind.core.types import Kind
from snapfind.index.payload import FIXED, point_id

__all__ = ["FORMATS", "export_copies", "write_table"]

FORMATS = (".csv", ".jsonl", ".parquet")
_SQL: dict[Kind, str] = {
    "text": "varchar",
    "number": "double",
    "bool": "boolean",
    "date": "varchar",  # ISO 8601 texts, because a column can have dates with and without a time
    "list": "varchar[]",
}
_SEVERAL = re.compile(r"[|,;\r\n]|^\[|^\s|\s$")  # names that `add` could read as several


def write_table(rows: Iterable[Mapping[str, Any]], target: Path, schema: Mapping[str, Kind], *, vectors: bool) -> int:
    """Write a table atomically.

    Args:
        rows: Rows of `Catalog.export`.
        target: File that ends in .csv, .jsonl or .parquet.
        schema: Kinds of all fields.
        vectors: Include the vectors.

    Returns:
        Number of rows.

    Raises:
        BadInput: The suffix or the folder is wrong, or vectors are to be written as CSV.
    """
    if target.suffix.lower() not in FORMATS:
        raise BadInput(f"{target.name}: an export must end in {', '.join(FORMATS)}")
    if vectors and target.suffix.lower() == ".csv":
        raise BadInput(f"{target.name}: CSV cannot have vectors; use .jsonl or .parquet, or leave them out")
    if not target.parent.is_dir():
        raise BadInput(f"{target.parent} is not a folder; create it first")
    is_jsonl = target.suffix.lower() == ".jsonl"
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".snapfind-") as folder:
        lines = Path(folder) / "rows.jsonl"
        count = 0
        with lines.open("w", encoding="utf-8") as file:
            for row in rows:
                if row.get("_item") and not vectors:  # the row of item 0 names the file, which has all items
                    continue
                file.write(json.dumps(_unambiguous(row, is_jsonl), ensure_ascii=False) + "\n")
                count += 1
        if target.suffix.lower() == ".parquet":
            lines = _parquet(lines, Path(folder) / "rows.parquet", schema, vectors=vectors)
        elif target.suffix.lower() == ".csv":
            lines = _csv(lines, Path(folder) / "rows.csv", schema)
        lines.replace(target)
    return count


def export_copies(
    rows: Iterable[Mapping[str, Any]], copy_of: Callable[[str, str, int], bytes], folder: Path
) -> Iterator[dict[str, Any]]:
    """Write the stored copy of each picture to a folder, and its name into the row.

    Args:
        rows: Rows of `Catalog.export`.
        copy_of: `Catalog.picture`.
        folder: Folder for the copies.

    Yields:
        The rows with the names of the copies.
    """
    folder.mkdir(exist_ok=True)
    for row in rows:
        original = row["picture"][0] if isinstance(row["picture"], list) else row["picture"]
        name = point_id(row["id"], original, row.get("_item", 0)) + ".jpg"
        (folder / name).write_bytes(copy_of(row["id"], original, row.get("_item", 0)))
        # each copy is an image of its own
        yield {**{key: value for key, value in row.items() if key != "_item"}, "picture": f"{folder.name}/{name}"}


def _unambiguous(row: Mapping[str, Any], is_jsonl: bool) -> Mapping[str, Any]:
    """Write the picture of a row as a list of one name if `add` could read it as several."""
    picture = row.get("picture")
    name = picture[0] if isinstance(picture, list) and len(picture) == 1 else picture
    if not isinstance(name, str) or not _SEVERAL.search(name):
        return {**row, "picture": name} if "picture" in row else row
    return {**row, "picture": [name] if is_jsonl else json.dumps([name], ensure_ascii=False)}


def _csv(lines: Path, target: Path, schema: Mapping[str, Kind]) -> Path:
    names = _with_kinds(lines, schema)
    # with a byte order mark, because Excel uses the local code page without it
    with lines.open(encoding="utf-8") as rows, target.open("w", encoding="utf-8-sig", newline="") as file:
        header = [["id", *names.values(), "picture"]]
        cells = ([_cell(row.get(name, "")) for name in ("id", *names, "picture")] for row in map(json.loads, rows))
        write_rows(file, itertools.chain(header, cells))
    return target


def _with_kinds(lines: Path, schema: Mapping[str, Kind]) -> dict[str, str]:
    """Return the column of each field, with its kind if its cells look like another one."""
    detected: dict[str, set[Kind | None]] = {name: set() for name in schema if name not in FIXED}
    with lines.open(encoding="utf-8") as rows:
        for row in map(json.loads, rows):
            for name, kinds in detected.items():
                kinds.add(kind_of(str(_cell(row.get(name, "")))))
    likely = {
        name: "text" if is_code(name) and merge_kinds(kinds) == "number" else merge_kinds(kinds)
        for name, kinds in detected.items()
    }
    return {name: name if likely.get(name, kind) == kind else f"{name}:{kind}" for name, kind in schema.items()}


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        exact = any("|" in item or item != item.strip() for item in value) or (value and value[0].startswith("["))
        return json.dumps(value, ensure_ascii=False) if exact else "|".join(value)
    return value


def _parquet(lines: Path, target: Path, schema: Mapping[str, Kind], *, vectors: bool) -> Path:
    columns = {"id": "varchar"} | {name: _SQL[kind] for name, kind in schema.items()} | {"picture": "varchar"}
    if vectors:
        columns["_vectors"] = "map(varchar, float[])"
    described = "{" + ", ".join(f"{_quoted(name)}: '{kind}'" for name, kind in columns.items()) + "}"
    read = f"read_json({_quoted(str(lines))}, format='newline_delimited', columns={described})"
    with connect() as connection:
        # names and paths cannot be bound as parameters here, so each is quoted
        connection.execute(f"copy (from {read}) to {_quoted(str(target))} (format parquet, compression zstd)")
    return target


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
