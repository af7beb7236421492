"""Verbs that look after a catalogue: info, doctor, snapshot, restore, migrate."""

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
from snapfind.index.qdrant.collection import Shape

__all__ = [
    "doctor",
    "info",
    "migrate",
    "restore",
    "snapshot",
]


def info(shop: Place, json: Json = False) -> None:
    """What the catalogue holds: counts, model, fields, size."""
    with at(shop) as catalogue:
        found = catalogue.info()
    if json:
        print_json(found)
        return
    fields = ", ".join(f"{name} ({kind})" for name, kind in found["schema"].items())
    out.print(
        f"{found['path']}: {found['products']:,} products, {found['pictures']:,} pictures, {found['bytes'] >> 20:,} MB"
    )
    out.print(f"model   {found['model']}" + (f", before it {found['previous']}" if found["previous"] else ""))
    out.print(f"fields  {fields}", markup=False)


def doctor(shop: Shop, json: Json = False) -> None:
    """Check store, copies, model, disk and versions, and say what to do."""
    checks = doctor_.examine(shop)
    if json:
        print_json([{"check": check.name, "state": check.state, "said": check.said} for check in checks])
    else:
        table = Table(box=None, pad_edge=False, show_header=False)
        style = {"ok": "green", "warning": "yellow", "broken": "bold red"}
        for check in checks:
            table.add_row(Text(check.state, style[check.state]), check.name, Text(check.said))
        out.print(table)
    worst = {check.state for check in checks}
    raise typer.Exit(2 if "broken" in worst else 1 if "warning" in worst else 0)


def snapshot(shop: Shop, target: Annotated[Path, typer.Argument(help="The file to write, such as shop.tar.")]) -> None:
    """Write the whole catalogue into one file with checksums."""
    with progress_bar("packing, MB") as progress:
        size = snapshot_.snapshot(shop, target, progress=progress)
    out.print(f"{target}: {size / 2**20:,.1f} MB")


def migrate(
    shop: Shop,
    address: Annotated[str, typer.Argument(help="qdrant://HOST:6333/NAME, or folder for the embedded index.")],
    shards: Annotated[int, typer.Option(help="Shards of a new collection.", min=1)] = 1,
    replicas: Annotated[int, typer.Option(help="Copies of each shard.", min=1)] = 1,
    consistency: Annotated[int, typer.Option(help="Copies that must have a write before it returns.", min=1)] = 1,
    groups: Annotated[int, typer.Option(help="Groups of categories with shards of their own; 0: none.", min=0)] = 0,
) -> None:
    """Move the index to Qdrant servers, or back; both are compared before the switch. Stopped, it goes on."""
    shape = Shape(shards, replicas, consistency, groups)
    with snapfind.open(shop, create=False) as catalogue, progress_bar("moving") as progress:
        moved = catalogue.migrate(address, progress=progress, shape=shape)
    out.print(f"{moved.copied:,} points moved, {moved.there:,} were there; {moved.asked} searches give the same hits")


def restore(
    source: Annotated[Path, typer.Argument(help="A file written by snapshot.")],
    shop: Annotated[Path | None, typer.Argument(help="The new folder; none with --verify.")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Only check every file against its sum.")] = False,
) -> None:
    """Restore a snapshot into a new folder, every file checked; or only check it."""
    if verify or shop is None:
        with progress_bar("checking, MB") as progress:
            count = snapshot_.verify(source, progress=progress)
        out.print(f"{source}: {count:,} files agree with their sums")
        return
    with progress_bar("restoring, MB") as progress:
        count = snapshot_.restore(source, shop, progress=progress)
    out.print(f"{shop}: {count:,} files restored and checked")
