"""The verbs that keep a catalogue clean: look at all of it, apply what was found, take it back."""

import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

import snapfind
from snapfind.catalog.catalog import Catalog
from snapfind.catalog.ingest.csv_safety import write_rows
from snapfind.catalog.storage.folder import write_whole
from snapfind.cli.options import Json, Shop
from snapfind.cli.output import err, one_line, out, print_json, progress_bar
from snapfind.core.errors import BadInput, SnapfindError
from snapfind.curation import journal
from snapfind.curation.findings import KINDS, Finding, Findings, Shown
from snapfind.curation.journal import Outcome
from snapfind.curation.report import HEADS, page
from snapfind.curation.snapshot import image_of
from snapfind.curation.survey import survey
from snapfind.media.image.thumbnail import thumbnail

__all__ = ["app"]

_SIDE = 160  # pixels of a picture on the page
_LISTED = 5  # findings of a kind on the terminal


class _LookFirst(TyperGroup):
    """`snapfind curate SHOP` is `snapfind curate look SHOP`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The words of the command line, with the verb where none was written."""
        if args and args[0] not in self.commands and args[0] not in {"--help", "-h"}:
            args = ["look", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_LookFirst,
    help="Find duplicates, wrong labels and bad pictures; `snapfind curate SHOP` looks. Every mend can be taken back.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Findings by their id.", show_default=False)]


@app.command()
def look(
    shop: Shop,
    report: Annotated[
        Path | None,
        typer.Option("--page", metavar="OUT.html", help="Where the page goes; curate.html beside the shop."),
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the findings as a table, to mend the source.")
    ] = None,
    json: Json = False,
) -> None:
    """Look at the whole catalogue, print what was found, and write a page with pictures. Changes nothing."""
    target = report or shop.parent / "curate.html"
    if target.suffix.lower() not in {".html", ".htm"}:
        raise BadInput(f"{target.name}: the report is a page; give a name that ends in .html")
    with snapfind.open(shop, create=False) as opened:
        with progress_bar("looking") as progress:
            found = survey(opened, progress)
        done = journal.applied(opened.folder.path)
        write_whole(target, page(found, lambda one: _small(opened, one), done, str(shop)).encode())
    if table is not None:
        write_whole(table, _csv(found.found).encode())
    if json:
        print_json(asdict(found))
    else:
        _print(found, shop)
    err.print(f"report: {target}")


@app.command()
def apply(shop: Shop, ids: Ids = None) -> None:
    """Apply findings of the last look: those named, else those that are safe unseen. `undo` takes them back."""
    with snapfind.open(shop, create=False) as opened:
        _end(journal.apply(opened, ids or None), "nothing is safe to apply unseen; name findings by the id before them")


@app.command()
def undo(
    shop: Shop,
    ids: Ids = None,
    every: Annotated[bool, typer.Option("--all", help="Take back everything that is applied.")] = False,
) -> None:
    """Take applied findings back: those named, or all."""
    if bool(ids) == every:
        raise BadInput("name the findings to take back, or give --all")
    with snapfind.open(shop, create=False) as opened:
        _end(journal.undo(opened, None if every else ids), "nothing is applied, so nothing was taken back")


@app.command()
def dismiss(
    shop: Shop,
    ids: Ids = None,
    kind: Annotated[
        str | None, typer.Option(help=f"All findings of a kind: {', '.join(KINDS)}.", metavar="KIND")
    ] = None,
    restore: Annotated[bool, typer.Option("--restore", help="Show dismissed findings again.")] = False,
) -> None:
    """Dismiss findings, so that no look shows them again. Pictures and categories stay as they are."""
    if bool(ids) == bool(kind):
        raise BadInput("name the findings to dismiss by their id, or give --kind")
    if kind is not None and kind not in KINDS:
        raise BadInput(f"there are no findings of the kind {kind!r}; give one of: {', '.join(KINDS)}")
    with snapfind.open(shop, create=False) as opened:
        wanted = list(ids or _of_kind(opened.folder.path, str(kind), restore=restore))
        _end(journal.dismiss(opened, wanted, restore=restore), "there is no such finding, so nothing was changed")


def _of_kind(folder: Path, kind: str, *, restore: bool) -> list[str]:
    """Ids of the findings of a kind: of the dismissed ones, or of those of the last look that nothing was done to."""
    now = journal.dismissed(folder)
    if restore:
        return [one.finding.id for one in now.values() if one.finding.kind == kind]
    last, done = Findings.load(folder), {*now, *journal.applied(folder)}
    return [one.id for one in last.of(kind) if one.id not in done] if last else []


def _small(opened: Catalog, shown: Shown) -> bytes | None:
    try:
        return thumbnail(image_of(opened, shown.picture, _SIDE), _SIDE)
    except SnapfindError:
        return None


def _print(found: Findings, shop: Path) -> None:
    out.print(f"{found.products:,} products, {found.pictures:,} pictures looked at")
    if not found.found:
        out.print("nothing that would need mending was found")
    for kind in KINDS:
        own = found.of(kind)
        if own:
            out.print(Text(f"\n{HEADS[kind][0]}: {len(own):,}", style="bold"))
            grid = Table(box=None, pad_edge=False, show_header=False)
            for one in own[:_LISTED]:
                grid.add_row(one.id, Text(one.said), Text(one.change.said if one.change else ""))
            out.print(grid)
            if len(own) > _LISTED:
                out.print(f"… and {len(own) - _LISTED:,} more on the page")
    safe = sum(one.safe for one in found.found)
    if safe:
        out.print(f"\n{safe:,} can be applied unseen: snapfind curate apply {shop}", markup=False)


def _csv(found: Sequence[Finding]) -> str:
    """One line for each picture or product that would change."""
    file = io.StringIO()
    rows: list[list[str]] = [["finding", "kind", "product", "picture", "do", "before", "after", "score", "said"]]
    for one in found:
        change = one.change
        for shown in one.shown[: len(change.pictures) or 1] if change else one.shown[:1]:
            cells = (change.verb, change.before, change.after) if change else ("", "", "")
            rows.append([one.id, one.kind, shown.product, shown.name, *cells, f"{one.score:.4f}", one.said])
    write_rows(file, rows)
    return file.getvalue()


def _end(outcomes: Sequence[Outcome], nothing: str) -> None:
    if not outcomes:
        out.print(nothing)
        raise typer.Exit
    for one in outcomes:
        (out if one.done else err).print(Text(one_line(f"{one.id}  {one.said}")))
    done = sum(one.done for one in outcomes)
    out.print(f"{done:,} of {len(outcomes):,} done")
    raise typer.Exit(0 if done == len(outcomes) else 1 if done else 2)
