"""Events as one Parquet file, for DuckDB, pandas or whatever trains on them."""

import json
import tempfile
from datetime import datetime
from pathlib import Path

from snapfind.errors import BadInput
from snapfind.events.store import EventStore
from snapfind.events.table import COLUMNS, events

__all__ = ["export_events"]

_SQL = {"INTEGER": "integer", "BIGINT": "bigint", "FLOAT": "double"}


def export_events(
    store: EventStore, target: Path, *, since: datetime | None = None, until: datetime | None = None
) -> int:
    """Write the events of a span of time; the file is there when it is whole. Returns how many. Raises BadInput.

    Columns are those of docs/reference/events.md; `at` is a timestamp in UTC, `results` a list.
    """
    if target.suffix.lower() != ".parquet":
        raise BadInput(f"{target.name}: an export of events ends in .parquet")
    if not target.parent.is_dir():
        raise BadInput(f"{target.parent} is not a folder; make it first")
    import duckdb

    kinds = {column.name: _SQL.get(str(column.type).split("(")[0], "varchar") for column in events.columns}
    described = ", ".join(f"'{name}': '{kind}'" for name, kind in kinds.items())
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".snapfind-") as folder:
        lines, draft = Path(folder) / "events.jsonl", Path(folder) / "events.parquet"
        count = 0
        with lines.open("w", encoding="utf-8") as file:
            for row in store.rows(since=since, until=until):
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
        chosen = ", ".join(_SHOWN.get(name, f'"{name}"') for name in COLUMNS)
        read = f"read_json({_quoted(lines)}, format='newline_delimited', columns={{{described}}})"
        with duckdb.connect() as connection:
            # names and paths cannot be bound as parameters here; each is quoted
            connection.execute(
                f"copy (select {chosen} from {read}) to {_quoted(draft)} (format parquet, compression zstd)"  # noqa: S608
            )
        draft.replace(target)
    return count


_SHOWN = {
    "at": 'make_timestamp("at" * 1000) as "at"',
    "results": """from_json("results", '["varchar"]') as "results\"""",
}


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
