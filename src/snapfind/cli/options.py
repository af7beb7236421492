"""Arguments and options that several commands share."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from snapfind.core.errors import BadInput
from snapfind.core.query import OPTIONS, Option

__all__ = ["Filter", "Json", "Shop", "query_options"]


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


def query_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `Query` as command line options. It receives them as `**options`.

    Args:
        command: Function with `**options`.

    Returns:
        The same function with a signature that typer reads.
    """
    own = inspect.signature(command)
    present = [one for one in own.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=_annotation(name, option), default=default)
        for name, option in OPTIONS.items()
        for default in [None if option.is_list else option.default]
    ]
    first = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in present]
    setattr(command, "__signature__", own.replace(parameters=[*first, *added]))  # noqa: B010 -- mypy knows no such attribute
    return command


def _annotation(name: str, option: Option) -> Any:
    flags = [f"--{name}", *([option.flag] if option.flag else [])]
    described = typer.Option(*flags, metavar=option.metavar or None, help=option.help)
    return Annotated[list[str] | None if option.is_list else option.type, described]
