"""A table of queries with their right answers: `picture` or `text`, `product` (ids parted by `|`), `category`."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from snapfind.errors import BadInput

__all__ = ["Asked", "read_queries"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One query: a photo or a text, the products that answer it, and its category where it is known."""

    name: str
    photo: Path | None
    text: str | None
    products: frozenset[str]
    category: str = ""


def read_queries(path: Path, root: Path | None = None) -> tuple[list[Asked], list[str]]:
    """The queries of a CSV, and a sentence for each row that is none. Raises BadInput for a table without the columns.

    Pictures are named from `root`, by default the folder of the table.
    """
    if not path.is_file():
        raise BadInput(f"there is no table {path}")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        columns = {name.strip().lower() for name in reader.fieldnames or ()}
        if not columns & {"picture", "text"} or "product" not in columns:
            raise BadInput(f"{path.name} needs the columns product and picture (or text); it has {', '.join(columns)}")
        found = list(_rows(reader, root or path.parent))
    return [one for one in found if isinstance(one, Asked)], [one for one in found if isinstance(one, str)]


def _rows(reader: "csv.DictReader[str]", root: Path) -> Iterator[Asked | str]:
    for row in reader:
        cells = {str(name).strip().lower(): str(cell or "").strip() for name, cell in row.items()}
        photo, text = cells.get("picture", ""), cells.get("text", "")
        products = frozenset(part.strip() for part in cells["product"].split("|") if part.strip())
        if not products:
            yield f"line {reader.line_num}: names no product"
        elif bool(photo) == bool(text):
            yield f"line {reader.line_num}: give a picture or a text, one of the two"
        elif photo and not (root / photo).is_file():
            yield f"line {reader.line_num}: there is no picture {photo}"
        else:
            yield Asked(
                photo or text, root / photo if photo else None, text or None, products, cells.get("category", "")
            )
