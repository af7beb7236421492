"""Where a verb works: in a folder, or at a running server with `--server URL`."""

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

__all__ = ["Place", "at", "at_server", "folder_of", "readable"]

Place = Annotated[
    str,
    typer.Argument(
        metavar="SHOP",
        help="The catalogue's folder, such as shop.snap, or the address of a server.",
        show_default=False,
    ),
]
_GROUPS = {"model"}
_ANYWHERE = {"add", "search", "show", "facets", "export", "delete", "info", "mcp", *_GROUPS}


def readable(words: Sequence[str]) -> list[str]:
    """The words of a command line, decoded anew where the terminal has another encoding than Python took it for.

    Bytes that could not be decoded come as halves of characters. Names of files stay as they are: the file system
    takes their bytes. Other words are read as UTF-8, else as Latin-1.

    Args:
        words: As `sys.argv` has them.

    Returns:
        Words without halves of characters, except names of files that exist.
    """
    return [word if _is_whole(word) or os.path.lexists(word) else _decoded(word) for word in words]


def _is_whole(word: str) -> bool:
    return word.isascii() or not re.search("[\ud800-\udfff]", word)


def _decoded(word: str) -> str:
    try:
        content = word.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # not of bytes: the verb refuses it
        return word
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def at_server(words: Sequence[str]) -> list[str]:
    """The words of a command line with `--server URL` put where the folder would stand. Raises BadInput.

    >>> at_server(["search", "photo.jpg", "--server", "http://127.0.0.1:8000"])
    ['search', 'http://127.0.0.1:8000', 'photo.jpg']
    """
    before = words[: words.index("--")] if "--" in words else words
    for place, word in enumerate(before):
        if word == "--server" and place + 1 < len(words):
            return _put(words[place + 1], [*words[:place], *words[place + 2 :]])
        if word.startswith("--server="):
            return _put(word.removeprefix("--server="), [*words[:place], *words[place + 1 :]])
    return list(words)


def _put(url: str, words: list[str]) -> list[str]:
    if not words or words[0] not in _ANYWHERE:
        raise BadInput(f"--server goes with {', '.join(sorted(_ANYWHERE))}; the others need the folder")
    after = 2 if words[0] in _GROUPS else 1
    return [*words[:after], url, *words[after:]]


def at(shop: str, *, create: bool = False) -> "Catalog | Client":
    """The catalogue in that folder, or the client of that server, whose key is in SNAPFIND_KEY."""
    if shop.startswith(("http://", "https://")):
        return snapfind.Client(shop, os.environ.get("SNAPFIND_KEY", ""))
    return snapfind.open(_no_address(shop), create=create)


def folder_of(shop: str, verb: str) -> Path:
    """The folder, for what a server cannot do. Raises BadInput."""
    if shop.startswith(("http://", "https://")):
        raise BadInput(f"{verb} needs the folder of the catalogue; run it on the machine of the server")
    return _no_address(shop)


def _no_address(shop: str) -> Path:
    """A folder; `localhost:8000` is none, unless it is there. Raises BadInput."""
    if re.fullmatch(r"[\w.-]+:\d+/?", shop) and not Path(shop).exists():
        raise BadInput(f"{shop} looks like the address of a server; write http://{shop}")
    return Path(shop)
