"""Export of events as one Parquet file."""

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
    """Write events to a Parquet file. The file appears when it is complete.

    The columns are those of docs/reference/events.md. `at` is a timestamp in UTC, `results` a list.

    Args:
        store: The event store.
        target: New file, ending in .parquet.
        since: Earliest time.
        until: Time before which events are written.

    Returns:
        Number of events.

    Raises:
        BadInput: The file name does not end in .parquet, or its folder is missing.
    """
    if target.suffix.lower() != ".parquet":
        raise BadInput(f"{target.name} does not end in .parquet; rename the export")
    if not target.parent.is_dir():
        raise BadInput(f"there is no folder {target.parent}; create it first")
    kinds = {column.name: _SQL.get(str(column.type).split("(")[0], "varchar") for column in events.columns}
    definitions = ", ".join(f'"{name}" {kind}' for name, kind in kinds.items())
    columns = ", ".join(_EXPRESSIONS.get(name, f'"{name}"') for name in COLUMNS)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".snapfind-") as folder:
        draft, count = Path(folder) / "events.parquet", 0
        # on disk, because the events may not fit into memory
        with connect(Path(folder) / "events.duckdb") as connection:
            connection.execute(f"create table stored ({definitions})")
            for page in store.columns(since=since, until=until):
                connection.register("page", {name: np.array(values, object) for name, values in page.items()})
                connection.execute("insert into stored select * from page")
                connection.unregister("page")
                count += len(page["id"])
            # names and paths cannot be bound as parameters here; each is quoted
            connection.execute(
                f"copy (select {columns} from stored) to {_quote(draft)} (format parquet, compression zstd)"  # noqa: S608
            )
        draft.replace(target)
    return count


_EXPRESSIONS = {
    "at": 'make_timestamp("at" * 1000) as "at"',
    "results": """from_json("results", '["varchar"]') as "results\"""",
}


def _quote(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
