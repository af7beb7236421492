"""DuckDB connections that never reach the network."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["connect"]


def connect(path: str | Path = ":memory:") -> "DuckDBPyConnection":
    """Open a DuckDB database without its automatic download of extensions.

    Args:
        path: A database file, or ":memory:".

    Returns:
        The connection. Close it, or use it in a `with` block.
    """
    import duckdb

    offline: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    return duckdb.connect(str(path), config=offline)
