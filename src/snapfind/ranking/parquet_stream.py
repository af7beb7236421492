"""Batches from a Parquet file that does not fit into memory. DuckDB reads one range of rows at a time.

Columns are those of the fields, with `clicked` and `group`. Each epoch visits the ranges in another order and shuffles
within each. A file that is sorted by time should therefore be shuffled when it is written.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from torch import Tensor

from snapfind.core.database import connect
from snapfind.core.errors import BadInput
from snapfind.ranking.rows import TARGET, Rows, rows_of, tensors
from snapfind.search.rerank.features import Field

__all__ = ["streamed_batches"]


def streamed_batches(
    path: Path, fields: Sequence[Field], *, size: int, seed: int, domain: int = TARGET, stretch: int = 50_000
) -> tuple[Callable[[int, int], tuple[Tensor, ...]], int]:
    """Make a function that returns batches. At most two ranges of rows are in memory.

    Args:
        path: The Parquet file.
        fields: The fields.
        size: Rows per batch.
        seed: Random seed.
        domain: Domain of the rows.
        stretch: Rows per range.

    Returns:
        A function (epoch, batch number) -> tensors for `snapfind.training.loop.train`, and the number of batches per
        epoch.

    Raises:
        BadInput: The file cannot be read, lacks a column, or has no rows.
    """
    count = _checked(path, fields)
    stretch = max(size, stretch - stretch % size)

    @lru_cache(maxsize=2)
    def load(number: int) -> Rows:
        return _read(path, fields, domain, number * stretch, min(stretch, count - number * stretch))

    sizes = [min(stretch, count - first) for first in range(0, count, stretch)]
    steps = [-(-index // size) for index in sizes]

    def batch(epoch: int, step: int) -> tuple[Tensor, ...]:
        order = np.random.default_rng([seed, epoch]).permutation(len(steps))
        place = int(np.searchsorted(np.cumsum([steps[index] for index in order]), step, side="right"))
        number = int(order[place])
        first = (step - sum(steps[index] for index in order[:place])) * size
        inside = np.random.default_rng([seed, epoch, number]).permutation(sizes[number])
        return tensors(load(number).take(inside[first : first + size]))

    return batch, sum(steps)


def _checked(path: Path, fields: Sequence[Field]) -> int:
    """Check the file and return its number of rows."""
    import duckdb

    try:
        with connect() as connection:
            columns = connection.execute(f"select * from read_parquet('{_quoted(path)}') limit 0").description  # noqa: S608
            count = connection.execute(f"select count(*) from read_parquet('{_quoted(path)}')").fetchone()  # noqa: S608
    except duckdb.Error as problem:
        raise BadInput(f"{path.name} is not a readable Parquet file: {str(problem).splitlines()[0]}") from problem
    lacking = {*(own.name for own in fields), "clicked", "group"} - {column[0] for column in columns}
    if lacking:
        raise BadInput(f"{path.name} lacks the columns {', '.join(sorted(lacking))}")
    if not count or not count[0]:
        raise BadInput(f"{path.name} has no rows.")
    return int(count[0])


def _read(path: Path, fields: Sequence[Field], domain: int, first: int, count: int) -> Rows:

    names = list(dict.fromkeys([*(own.name for own in fields), "clicked", "group"]))
    chosen = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
    query = f"""select {chosen} from read_parquet('{_quoted(path)}', file_row_number = true)
        where file_row_number between ? and ? order by file_row_number"""  # noqa: S608
    with connect() as connection:
        rows = connection.execute(query, [first, first + count - 1]).fetchall()
    return rows_of(dict(zip(names, zip(*rows))), fields, domain)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
