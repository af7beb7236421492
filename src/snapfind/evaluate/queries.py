"""A table of queries with their right answers: `picture` or `text`, `product` (ids parted by `|`) or `category`."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from snapfind.errors import BadInput

__all__ = ["Asked", "read_queries"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One query: a photo or a text, the products that answer it, and its category where it is known.

    `products` is empty where the table names only a category.
    """

    name: str
    photo: Path | None
    text: str | None
    products: frozenset[str]
    category: str = ""


def read_queries(path: Path, root: Path | None = None, *, categories: bool = False) -> tuple[list[Asked], list[str]]:
    """The queries of a CSV.

    Args:
        path: The table.
        root: Folder that picture names start from. Default: the folder of the table.
        categories: Whether a row may name a category instead of a product.

    Returns:
        The queries, and a sentence for each row that is none.

    Raises:
        BadInput: The table lacks a column.
    """
    if not path.is_file():
        raise BadInput(f"there is no table {path}")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        columns = {name.strip().lower() for name in reader.fieldnames or ()}
        answers = {"product", "category"} if categories else {"product"}
        if not columns & {"picture", "text"} or not columns & answers:
            needed = f"{' or '.join(sorted(answers, reverse=True))} and picture (or text)"
            raise BadInput(f"{path.name} needs the columns {needed}; it has {', '.join(sorted(columns))}")
        found = list(_rows(reader, root or path.parent, categories))
    return [one for one in found if isinstance(one, Asked)], [one for one in found if isinstance(one, str)]


def _rows(reader: "csv.DictReader[str]", root: Path, categories: bool) -> Iterator[Asked | str]:
    for row in reader:
        cells = {str(name).strip().lower(): str(cell or "").strip() for name, cell in row.items()}
        photo, text = cells.get("picture", ""), cells.get("text", "")
        products = frozenset(part.strip() for part in cells.get("product", "").split("|") if part.strip())
        if not products and not (categories and cells.get("category")):
            yield f"line {reader.line_num}: names no product{' and no category' if categories else ''}"
        elif bool(photo) == bool(text):
            yield f"line {reader.line_num}: give a picture or a text, one of the two"
        elif photo and not (root / photo).is_file():
            yield f"line {reader.line_num}: there is no picture {photo}"
        else:
            yield Asked(
                photo or text, root / photo if photo else None, text or None, products, cells.get("category", "")
            )
