"""Target of a command: a catalog folder, or a running server with `--server URL`."""

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

__all__ = ["Place", "at", "at_server", "decode_arguments", "folder_of"]

Place = Annotated[
    str,
    typer.Argument(
        metavar="SHOP",
        help="Folder of the catalog, such as shop.snap, or URL of a server.",
        show_default=False,
    ),
]
_GROUPS = {"model"}
_SERVER_COMMANDS = {"add", "search", "show", "facets", "export", "delete", "info", "mcp", *_GROUPS}


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


def at_server(words: Sequence[str]) -> list[str]:
    """Move the URL of `--server URL` to the position of the folder argument.

    Args:
        words: Command line arguments, beginning with the command.

    Returns:
        The arguments without `--server`.

    Raises:
        BadInput: The command does not work with a server.

    >>> at_server(["search", "photo.jpg", "--server", "http://127.0.0.1:8000"])
    ['search', 'http://127.0.0.1:8000', 'photo.jpg']
    """
    before = words[: words.index("--")] if "--" in words else words
    for place, word in enumerate(before):
        if word == "--server" and place + 1 < len(words):
            return _insert_url(words[place + 1], [*words[:place], *words[place + 2 :]])
        if word.startswith("--server="):
            return _insert_url(word.removeprefix("--server="), [*words[:place], *words[place + 1 :]])
    return list(words)


def _insert_url(url: str, words: list[str]) -> list[str]:
    if not words or words[0] not in _SERVER_COMMANDS:
        raise BadInput(f"--server works with {', '.join(sorted(_SERVER_COMMANDS))}. Other commands need the folder.")
    after = 2 if words[0] in _GROUPS else 1
    return [*words[:after], url, *words[after:]]


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
