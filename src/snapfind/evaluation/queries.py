"""Test sets: tables of labeled queries.

The columns are `picture` or `text`, and `product` (ids separated by `|`) or `category`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from snapfind.catalog.ingest.cells import plain, text_of
from snapfind.catalog.ingest.delimited import Groups
from snapfind.catalog.ingest.picture_names import Names
from snapfind.catalog.ingest.tables import column_names, rows
from snapfind.core.errors import BadInput, BadRow

__all__ = ["LabeledQuery", "by_category", "read_queries", "sample"]


@dataclass(frozen=True, slots=True)
class LabeledQuery:
    """A query with its label.

    Args:
        name: The picture name or the text.
        photo: File of the photo, None for a text query.
        text: The text, None for a photo query.
        products: Ids of the right products. Empty if the table names only a category.
        category: The category, "" if the table has none.
    """

    name: str
    photo: Path | None
    text: str | None
    products: frozenset[str]
    category: str = ""


def read_queries(
    path: Path, root: Path | None = None, *, categories: bool = False
) -> tuple[list[LabeledQuery], list[str]]:
    """Read a test set.

    Args:
        path: The table.
        root: Folder that picture names start from. Default: the folder of the table.
        categories: Whether a row may name a category instead of a product.

    Returns:
        The queries, and a sentence for each invalid row.

    Raises:
        BadInput: The file or a column is missing.
    """
    if not path.is_file():
        raise BadInput(f"there is no file {path}; give a table of queries")
    answers = ("product", "category") if categories else ("product",)
    groups = (answers, ("picture", "text"))
    columns = {name.strip().lower() for name in column_names(path, groups)}
    if not all(columns & set(group) for group in groups):
        needed = f"{' or '.join(answers)} and picture (or text)"
        raise BadInput(f"{path.name} needs the columns {needed}; it has {', '.join(sorted(columns))}")
    parsed = list(_rows(path, root or path.parent, groups))
    return [one for one in parsed if isinstance(one, LabeledQuery)], [one for one in parsed if isinstance(one, str)]


def by_category(queries: Sequence[LabeledQuery]) -> list[LabeledQuery]:
    """Keep the queries that name a category, without their products.

    Args:
        queries: The test set.

    Returns:
        Queries that are evaluated at category level alone.
    """
    return [replace(one, products=frozenset()) for one in queries if one.category]


def sample(queries: Sequence[LabeledQuery], limit: int) -> list[LabeledQuery]:
    """Draw a random sample. It is the same for each run, so two runs can be compared.

    Args:
        queries: The test set.
        limit: Size of the sample.

    Returns:
        At most `limit` queries in their order.
    """
    places = np.random.default_rng(0).choice(len(queries), min(limit, len(queries)), replace=False)
    return [queries[place] for place in sorted(places.tolist())]


def _rows(path: Path, root: Path, groups: Groups) -> Iterator[LabeledQuery | str]:
    files, categories = Names(root.resolve()), "category" in groups[0]
    for line, row in rows(path, groups):
        if isinstance(row, BadRow):
            yield f"line {line}: {row.message}"
            continue
        cells = {name.strip().lower(): _text(cell) for name, cell in row.items()}
        photo, text = cells.get("picture", ""), cells.get("text", "")
        products = frozenset(part.strip() for part in cells.get("product", "").split("|") if part.strip())
        if not products and not (categories and cells.get("category")):
            yield f"line {line}: names no product{' and no category' if categories else ''}"
        elif bool(photo) == bool(text):
            yield f"line {line}: give either a picture or a text"
        elif photo and not (file := _file(photo, root, files)):
            yield f"line {line}: there is no picture {photo}"
        else:
            yield LabeledQuery(
                photo or text, file if photo else None, text or None, products, cells.get("category", "")
            )


def _file(name: str, root: Path, files: Names) -> Path | None:
    """Return the file of a picture name: as it is written, or by another spelling below the root."""
    if (root / name).is_file():
        return root / name
    return files.find(name) if files.exists(name) else None


def _text(cell: Any) -> str:
    cell = plain(cell)
    return "|".join(map(text_of, cell)) if isinstance(cell, list) else text_of(cell)
