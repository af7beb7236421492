"""Target of a command: the folder of a catalog, or the URL of a running server."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import snapfind
from snapfind.core.errors import BadInput

if TYPE_CHECKING:
    from snapfind.catalog.catalog import Catalog
    from snapfind.client import Client

__all__ = ["Place", "at", "decode_arguments", "folder_of"]

Place = Annotated[
    str,
    typer.Argument(
        metavar="SHOP",
        help="Folder of the catalog, such as shop.snap, or URL of a server.",
        show_default=False,
    ),
]


def decode_arguments(words: Sequence[str]) -> list[str]:
    """Decode arguments again if the encoding of the terminal differs from the one that Python assumed.

    Python passes bytes that it cannot decode as lone surrogates (PEP 383). Names of existing files stay unchanged,
    because the file system needs their bytes. Other arguments are decoded as UTF-8, else as Latin-1.

    Args:
        words: Arguments as in `sys.argv`.

    Returns:
        Arguments without lone surrogates, except names of existing files.
    """
    return [word if _is_decoded(word) or os.path.lexists(word) else _decode(word) for word in words]


def _is_decoded(word: str) -> bool:
    return word.isascii() or not re.search("[\ud800-\udfff]", word)


def _decode(word: str) -> str:
    try:
        content = word.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # not from bytes: the command rejects it
        return word
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def at(shop: str, *, create: bool = False) -> "Catalog | Client":
    """Open the catalog in a folder, or connect to a server with the API key in SNAPFIND_KEY."""
    if shop.startswith(("http://", "https://")):
        return snapfind.Client(shop, os.environ.get("SNAPFIND_KEY", ""))
    return snapfind.open(_as_path(shop), create=create)


def folder_of(shop: str, command: str) -> Path:
    """Return the folder for a command that a server cannot do.

    Raises:
        BadInput: The target is the URL of a server.
    """
    if shop.startswith(("http://", "https://")):
        raise BadInput(f"{command} needs the folder of the catalog. Run it on the machine of the server.")
    return _as_path(shop)


def _as_path(shop: str) -> Path:
    """Return the path, or raise BadInput for an address without http://, such as `localhost:8000`."""
    if re.fullmatch(r"[\w.-]+:\d+/?", shop) and not Path(shop).exists():
        raise BadInput(f"{shop} looks like the address of a server. Use http://{shop}.")
    return Path(shop)
