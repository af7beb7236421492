"""Commands of the server: serve, mcp, and the API keys."""

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
    help="Manage the API keys of a server.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)


def serve(
    shop: Shop,
    host: Annotated[
        str, typer.Option(help="Address to listen on. A public address requires an API key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port. 0: any free port.")] = 8000,
    compat: Annotated[
        str, typer.Option(metavar="imagesearch", help="Also serve the API of Alibaba Cloud Image Search.")
    ] = "",
    read_only: Annotated[
        bool,
        typer.Option(
            "--read-only", help="Read replica: another process owns the catalog, and its index is on a server."
        ),
    ] = False,
) -> None:
    """Serve the catalog over HTTP: API under /v1, web page at /, metrics at /metrics. Stop with Ctrl-C."""
    from snapfind.server import run
    from snapfind.server.runtime.memory import limit_arenas

    if compat not in {"", "imagesearch"}:
        raise BadSetting(f"Unknown value of --compat: {compat!r}. Supported: imagesearch.")
    limit_arenas()
    listener = run.listen(host, port, shop)
    catalog = snapfind.replica(shop) if read_only else snapfind.open(shop, create=False)
    address = f"[{host}]" if ":" in host else host
    err.print(f"snapfind serves {shop} at http://{address}:{listener.getsockname()[1]}")
    with suppress(KeyboardInterrupt):  # Ctrl-C: requests in flight are finished by then
        run.serve(catalog, listener, compat)


def mcp(shop: Place) -> None:
    """Run an MCP server on stdin and stdout: read-only search tools for AI assistants (Model Context Protocol)."""
    from snapfind.server.mcp import assistant

    with at(shop) as catalog:
        assistant(catalog).run("stdio")


@keys.command("create")
def create(
    shop: Shop,
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="search, write or admin. Each includes those before it. Default: search."),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the key.")] = "",
    signing: Annotated[
        bool, typer.Option("--signing", help="For SDKs that sign requests (--compat): print id and secret.")
    ] = False,
) -> None:
    """Create an API key and print it once. Only its hash is stored. Once a key exists, the server requires one."""
    store = _store(shop)
    first = not store.keys()
    key, whole = store.create(name, scope or ["search"], signing=signing)
    out.print(f"{key.id} {whole}" if signing else whole, markup=False)
    err.print(f"key {key.id}, scopes: {', '.join(key.scopes)}. The key is not shown again.")
    if first:
        err.print(
            "This is the first key: all servers of this catalog now refuse requests without a key, running ones too. "
            "Enter it in the web page, and pass it to clients as SNAPFIND_KEY. "
            f"To remove the requirement: snapfind key revoke {shop} {key.id}"
        )
        if not key.may("write"):
            err.print(
                f"No key can change products over HTTP yet. Create one with: snapfind key create {shop} --scope admin"
            )


@keys.command("list")
def list_(shop: Shop, json: Json = False) -> None:
    """List the API keys of a catalog, without secrets."""
    stored = _store(shop).keys().values()
    if json:
        print_json([{"id": key.id, "name": key.name, "scopes": key.scopes, "created": key.created} for key in stored])
        return
    table = Table("id", "scopes", "created", "name", box=None, pad_edge=False, header_style="bold")
    for key in stored:
        table.add_row(*map(Text, (key.id, ", ".join(key.scopes), key.created, key.name)))
    out.print(table if stored else "No keys: only requests from this machine are allowed, with all scopes.")


@keys.command("revoke")
def revoke(
    shop: Shop, key: Annotated[str, typer.Argument(metavar="ID", help="Id of the key, as printed by `key list`.")]
) -> None:
    """Revoke an API key. Running servers refuse it at once."""
    store = _store(shop)
    revoked = store.revoke(key)
    out.print(f"key {revoked.id} is revoked")
    if not store.keys():
        err.print("No keys are left: a server on this machine accepts local requests without a key.")


def _store(shop: Path) -> "KeyStore":
    from snapfind.core.errors import NotFound
    from snapfind.server.keys import KeyStore

    if not (shop / "manifest.json").is_file():
        raise NotFound(f"Not a catalog: {shop}. Create one with: snapfind add {shop} PICTURES")
    return KeyStore(shop)
