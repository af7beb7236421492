"""Verbs of the server: serve, and the keys by which it knows its callers."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

import snapfind
from snapfind.cli.options import Json, Shop
from snapfind.cli.output import err, out, print_json
from snapfind.cli.target import Place, at
from snapfind.core.errors import BadSetting

if TYPE_CHECKING:
    from snapfind.server.keys import KeyStore

__all__ = ["keys", "mcp", "serve"]

keys = typer.Typer(
    help="Keys by which a server knows its callers.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)


def serve(
    shop: Shop,
    host: Annotated[
        str, typer.Option(help="Address to listen on; one that others can reach needs a key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    compat: Annotated[
        str, typer.Option(metavar="imagesearch", help="Also answer as Alibaba Cloud Image Search does.")
    ] = "",
    read_only: Annotated[
        bool,
        typer.Option("--read-only", help="Only answer: another process owns the catalogue; its index is on servers."),
    ] = False,
) -> None:
    """Serve the catalogue over HTTP: the API under /v1, a page at /, metrics at /metrics. Ctrl-C stops it."""
    from snapfind.server import run
    from snapfind.server.runtime.memory import keep_few_arenas

    if compat not in {"", "imagesearch"}:
        raise BadSetting(f"--compat {compat!r}: there is imagesearch only")
    keep_few_arenas()
    opened = run.listen(host, port, shop)
    catalogue = snapfind.replica(shop) if read_only else snapfind.open(shop, create=False)
    place = f"[{host}]" if ":" in host else host
    err.print(f"snapfind serves {shop} at http://{place}:{opened.getsockname()[1]}")
    with suppress(KeyboardInterrupt):  # how a person stops it; what was taken is finished by then
        run.serve(catalogue, opened, compat)


def mcp(shop: Place) -> None:
    """Give an assistant tools to search with (Model Context Protocol, on stdin and stdout); it changes nothing."""
    from snapfind.server.mcp import assistant

    with at(shop) as catalogue:
        assistant(catalogue).run("stdio")


@keys.command("create")
def create(
    shop: Shop,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="search, write or admin; each holds those before it.")
    ] = None,
    name: Annotated[str, typer.Option(help="What it is for, to tell keys apart.")] = "",
    signing: Annotated[
        bool, typer.Option("--signing", help="For SDKs that sign requests (--compat): prints id and secret.")
    ] = False,
) -> None:
    """Make a key and print it once; only its hash is kept. With the first key a server refuses all who have none."""
    store = _store(shop)
    first = not store.keys()
    key, whole = store.create(name, scope or ["search"], signing=signing)
    out.print(f"{key.id} {whole}" if signing else whole, markup=False)
    err.print(f"key {key.id} may {', '.join(key.scopes)}; it is not shown again")
    if first:
        err.print(
            "this is the first key: from now on a server of this catalog, one that runs too, refuses every request "
            "without a key. Give it to the page when it asks, and to clients as SNAPFIND_KEY; "
            f"to open the server again: snapfind key revoke {shop} {key.id}"
        )
        if not key.may("write"):
            err.print(f"nobody can change products over HTTP yet: snapfind key create {shop} --scope admin")


@keys.command("list")
def list_(shop: Shop, json: Json = False) -> None:
    """The keys of a catalogue, without their secrets."""
    known = _store(shop).keys().values()
    if json:
        print_json([{"id": key.id, "name": key.name, "scopes": key.scopes, "created": key.created} for key in known])
        return
    table = Table("id", "scopes", "created", "name", box=None, pad_edge=False, header_style="bold")
    for key in known:
        table.add_row(*map(Text, (key.id, ", ".join(key.scopes), key.created, key.name)))
    out.print(table if known else "no keys: only this machine may ask, and everything")


@keys.command("revoke")
def revoke(shop: Shop, key: Annotated[str, typer.Argument(metavar="ID", help="As `key list` shows it.")]) -> None:
    """Refuse a key from now on, in a server that is running too."""
    store = _store(shop)
    gone = store.revoke(key)
    out.print(f"key {gone.id} is revoked")
    if not store.keys():
        err.print("there is no key any more: a server on this machine answers everyone here, without a key")


def _store(shop: Path) -> "KeyStore":
    from snapfind.core.errors import NotFound
    from snapfind.server.keys import KeyStore

    if not (shop / "manifest.json").is_file():
        raise NotFound(f"{shop} is not a catalogue; make one with: snapfind add {shop} PICTURES")
    return KeyStore(shop)
