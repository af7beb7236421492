"""Events as one Parquet file, for DuckDB, pandas or whatever trains on them."""

import tempfile
from datetime import datetime
from pathlib import Path

import numpy as np

from snapfind.core.database import connect
from snapfind.core.errors import BadInput
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
    kinds = {column.name: _SQL.get(str(column.type).split("(")[0], "varchar") for column in events.columns}
    described = ", ".join(f'"{name}" {kind}' for name, kind in kinds.items())
    chosen = ", ".join(_SHOWN.get(name, f'"{name}"') for name in COLUMNS)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".snapfind-") as folder:
        draft, count = Path(folder) / "events.parquet", 0
        # a database on disk: more events than fit into memory pass through it
        with connect(Path(folder) / "events.duckdb") as connection:
            connection.execute(f"create table kept ({described})")
            for page in store.columns(since=since, until=until):
                connection.register("page", {name: np.array(values, object) for name, values in page.items()})
                connection.execute("insert into kept select * from page")
                connection.unregister("page")
                count += len(page["id"])
            # names and paths cannot be bound as parameters here; each is quoted
            connection.execute(
                f"copy (select {chosen} from kept) to {_quoted(draft)} (format parquet, compression zstd)"  # noqa: S608
            )
        draft.replace(target)
    return count


_SHOWN = {
    "at": 'make_timestamp("at" * 1000) as "at"',
    "results": """from_json("results", '["varchar"]') as "results\"""",
}


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
