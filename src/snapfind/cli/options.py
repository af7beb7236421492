"""Arguments and options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Filter", "Json", "Shop"]

Shop = Annotated[
    Path, typer.Argument(metavar="SHOP", help="The catalogue's folder, such as shop.snap.", show_default=False)
]
Filter = Annotated[
    str | None, typer.Option("--filter", "-f", metavar="EXPR", help="Such as: price < 50 and brand = 'Acme'.")
]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout instead of a table.")]
