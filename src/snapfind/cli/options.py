"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from snapfind.core.errors import BadInput

__all__ = ["Filter", "Json", "Shop"]


def _parse_folder(shop: str | Path) -> Path:
    if str(shop).startswith(("http://", "https://")):
        raise BadInput("This command needs the folder of the catalog. Run it on the machine of the server.")
    return Path(shop)


Shop = Annotated[
    Path,
    typer.Argument(
        metavar="SHOP", help="Folder of the catalog, such as shop.snap.", show_default=False, parser=_parse_folder
    ),
]
Filter = Annotated[
    str | None,
    typer.Option("--filter", "-f", metavar="EXPR", help="Filter expression, such as: price < 50 and brand = 'Acme'."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
