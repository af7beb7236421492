"""Maintenance commands: info, doctor, snapshot, restore, migrate."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

import snapfind
from snapfind.catalog import doctor as doctor_
from snapfind.catalog.storage import snapshot as snapshot_
from snapfind.cli.options import Json, Shop
from snapfind.cli.output import out, print_json, progress_bar
from snapfind.cli.target import Place, at
from snapfind.index.qdrant.collection import CollectionLayout

__all__ = [
    "doctor",
    "info",
    "migrate",
    "restore",
    "snapshot",
]


def info(shop: Place, json: Json = False) -> None:
    """Show counts, model, fields and size of the catalog."""
    with at(shop) as catalog:
        info = catalog.info()
    if json:
        print_json(info)
        return
    fields = ", ".join(f"{name} ({kind})" for name, kind in info["schema"].items())
    out.print(
        f"{info['path']}: {info['products']:,} products, {info['pictures']:,} pictures, {info['bytes'] >> 20:,} MB"
    )
    out.print(f"model   {info['model']}" + (f", previous {info['previous']}" if info["previous"] else ""))
    out.print(f"fields  {fields}", markup=False)


def doctor(shop: Shop, json: Json = False) -> None:
    """Check index, pictures, model, disk and versions, and suggest fixes."""
    checks = doctor_.examine(shop)
    if json:
        print_json([{"check": check.name, "state": check.state, "message": check.message} for check in checks])
    else:
        table = Table(box=None, pad_edge=False, show_header=False)
        style = {"ok": "green", "warning": "yellow", "broken": "bold red"}
        for check in checks:
            table.add_row(Text(check.state, style[check.state]), check.name, Text(check.message))
        out.print(table)
    states = {check.state for check in checks}
    raise typer.Exit(2 if "broken" in states else 1 if "warning" in states else 0)


def snapshot(shop: Shop, target: Annotated[Path, typer.Argument(help="Output file, such as shop.tar.")]) -> None:
    """Back up the whole catalog into one file with checksums."""
    with progress_bar("packing, MB") as progress:
        size = snapshot_.snapshot(shop, target, progress=progress)
    out.print(f"{target}: {size / 2**20:,.1f} MB")


def migrate(
    shop: Shop,
    address: Annotated[str, typer.Argument(help="qdrant://HOST:6333/NAME, or `folder` for the embedded index.")],
    shards: Annotated[int, typer.Option(help="Number of shards of a new collection.", min=1)] = 1,
    replicas: Annotated[int, typer.Option(help="Replication factor.", min=1)] = 1,
    consistency: Annotated[
        int, typer.Option(help="Write consistency factor: replicas that must confirm a write.", min=1)
    ] = 1,
    groups: Annotated[int, typer.Option(help="Groups of categories with shards of their own. 0: none.", min=0)] = 0,
) -> None:
    """Move the index to a Qdrant server, or back. Both are compared before the switch. Resumes when interrupted."""
    shape = CollectionLayout(shards, replicas, consistency, groups)
    with snapfind.open(shop, create=False) as catalog, progress_bar("moving") as progress:
        result = catalog.migrate(address, progress=progress, shape=shape)
    out.print(f"{result.copied:,} points moved, {result.there:,} already there. {result.compared} test searches agree.")


def restore(
    source: Annotated[Path, typer.Argument(help="File written by snapshot.")],
    shop: Annotated[Path | None, typer.Argument(help="New folder. Leave out with --verify.")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Only verify the checksums.")] = False,
) -> None:
    """Restore a snapshot into a new folder and verify its checksums, or only verify it."""
    if verify or shop is None:
        with progress_bar("checking, MB") as progress:
            count = snapshot_.verify(source, progress=progress)
        out.print(f"{source}: {count:,} files match their checksums")
        return
    with progress_bar("restoring, MB") as progress:
        count = snapshot_.restore(source, shop, progress=progress)
    out.print(f"{shop}: {count:,} files restored and verified")
