"""Contact sheets on disk."""

from pathlib import Path
from typing import cast

from snapfind.catalog.catalog import Catalog
from snapfind.catalog.folder import write_whole
from snapfind.client import Client
from snapfind.errors import BadInput
from snapfind.evaluate.rows import sheet_row
from snapfind.evaluate.sheet import SheetRow, sheet
from snapfind.types import Answer, Query

__all__ = ["write_rows", "write_sheet"]


def write_sheet(target: Path, catalogue: Catalog | Client, query: Query, answer: Answer) -> None:
    """One query and its hits as a page."""
    # it asks for pictures and titles only, which both have
    write_rows(target, [sheet_row(cast("Catalog", catalogue), query, answer)], "snapfind search")


def write_rows(target: Path, rows: list[SheetRow], title: str) -> None:
    """Rows as a page. Raises BadInput when the name is not that of a page."""
    if target.suffix.lower() not in {".html", ".htm"}:
        raise BadInput(f"{target.name}: a contact sheet is a page; give a name that ends in .html")
    write_whole(target, sheet(rows, title).encode())
