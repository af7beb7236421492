"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Filter", "Json", "Shop"]

Shop = Annotated[
    Path, typer.Argument(metavar="SHOP", help="Folder of the catalog, such as shop.snap.", show_default=False)
]
Filter = Annotated[
    str | None,
    typer.Option("--filter", "-f", metavar="EXPR", help="Filter expression, such as: price < 50 and brand = 'Acme'."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
