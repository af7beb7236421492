"""Commands that clean a catalog: find problems, apply fixes, undo them."""

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
from snapfind.curation.findings import KINDS, Finding, Findings, FindingSample
from snapfind.curation.journal import Outcome
from snapfind.curation.report import HEADINGS, render_report
from snapfind.curation.snapshot import image_of
from snapfind.curation.survey import survey_catalog
from snapfind.media.image.thumbnail import thumbnail

__all__ = ["app"]

_SIDE = 160  # pixels, pictures on the report page
_LISTED = 5  # findings of each kind in the terminal


class _DefaultCheck(TyperGroup):
    """Command group with the default command `check`: `curate SHOP` means `curate check SHOP`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert `check` if the arguments do not start with a command."""
        if args and args[0] not in self.commands and args[0] not in {"--help", "-h"}:
            args = ["check", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_DefaultCheck,
    help="Find duplicates, wrong labels and bad pictures with `snapfind curate SHOP`. Every fix can be undone.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of findings.", show_default=False)]


@app.command()
def check(
    shop: Shop,
    report: Annotated[
        Path | None,
        typer.Option(
            "--page",
            metavar="OUT.html",
            help="Output file of the report page. Default: curate.html beside the catalog.",
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Also write the findings as CSV, to fix the source data."),
    ] = None,
    json: Json = False,
) -> None:
    """Check the whole catalog, print the findings, and write a report page with pictures. Changes nothing."""
    target = report or shop.parent / "curate.html"
    if target.suffix.lower() not in {".html", ".htm"}:
        raise BadInput(f"Unsupported report file: {target.name}. Use a name that ends in .html.")
    with snapfind.open(shop, create=False) as opened:
        with progress_bar("checking") as progress:
            findings = survey_catalog(opened, progress)
        done = journal.read_applied(opened.folder.path)
        write_whole(
            target, render_report(findings, lambda sample: _thumbnail(opened, sample), done, str(shop)).encode()
        )
    if table is not None:
        write_whole(table, _csv(findings.items).encode())
    if json:
        print_json(asdict(findings))
    else:
        _print(findings, shop)
    err.print(f"report: {target}")


@app.command()
def apply(shop: Shop, ids: Ids = None) -> None:
    """Apply fixes of the last check: those with the given ids, else all that are safe without review."""
    with snapfind.open(shop, create=False) as opened:
        _exit(
            journal.apply(opened, ids or None), "No finding is safe to apply without review. Give the ids of findings."
        )


@app.command()
def undo(
    shop: Shop,
    ids: Ids = None,
    every: Annotated[bool, typer.Option("--all", help="Undo all applied fixes.")] = False,
) -> None:
    """Undo applied fixes: those with the given ids, or all."""
    if bool(ids) == every:
        raise BadInput("Give the ids of the findings to undo, or --all.")
    with snapfind.open(shop, create=False) as opened:
        _exit(journal.undo(opened, None if every else ids), "No fix is applied, so nothing was undone.")


@app.command()
def dismiss(
    shop: Shop,
    ids: Ids = None,
    kind: Annotated[
        str | None, typer.Option(help=f"All findings of this kind: {', '.join(KINDS)}.", metavar="KIND")
    ] = None,
    restore: Annotated[bool, typer.Option("--restore", help="Restore dismissed findings.")] = False,
) -> None:
    """Dismiss findings, so that later checks do not report them. Pictures and categories stay unchanged."""
    if bool(ids) == bool(kind):
        raise BadInput("Give the ids of the findings to dismiss, or --kind.")
    if kind is not None and kind not in KINDS:
        raise BadInput(f"Unknown kind of finding: {kind!r}. Supported: {', '.join(KINDS)}.")
    with snapfind.open(shop, create=False) as opened:
        chosen = list(ids or _of_kind(opened.folder.path, str(kind), restore=restore))
        _exit(journal.dismiss(opened, chosen, restore=restore), "No matching finding. Nothing was changed.")


def _of_kind(folder: Path, kind: str, *, restore: bool) -> list[str]:
    """List the ids of a kind of finding: the dismissed ones, or the open ones of the last check."""
    dismissed = journal.read_dismissed(folder)
    if restore:
        return [one.finding.id for one in dismissed.values() if one.finding.kind == kind]
    last, done = Findings.load(folder), {*dismissed, *journal.read_applied(folder)}
    return [one.id for one in last.of(kind) if one.id not in done] if last else []


def _thumbnail(opened: Catalog, sample: FindingSample) -> bytes | None:
    try:
        return thumbnail(image_of(opened, sample.picture, _SIDE), _SIDE)
    except SnapfindError:
        return None


def _print(findings: Findings, shop: Path) -> None:
    out.print(f"{findings.products:,} products, {findings.pictures:,} pictures checked")
    if not findings.items:
        out.print("No problems found.")
    for kind in KINDS:
        of_kind = findings.of(kind)
        if of_kind:
            out.print(Text(f"\n{HEADINGS[kind][0]}: {len(of_kind):,}", style="bold"))
            grid = Table(box=None, pad_edge=False, show_header=False)
            for one in of_kind[:_LISTED]:
                grid.add_row(one.id, Text(one.message), Text(one.change.description if one.change else ""))
            out.print(grid)
            if len(of_kind) > _LISTED:
                out.print(f"… and {len(of_kind) - _LISTED:,} more in the report")
    safe = sum(one.safe for one in findings.items)
    if safe:
        out.print(f"\n{safe:,} fixes are safe to apply without review: snapfind curate apply {shop}", markup=False)


def _csv(findings: Sequence[Finding]) -> str:
    """Format findings as CSV, one line per picture or product that a fix would change."""
    file = io.StringIO()
    rows: list[list[str]] = [["finding", "kind", "product", "picture", "action", "before", "after", "score", "message"]]
    for one in findings:
        change = one.change
        for sample in one.samples[: len(change.pictures) or 1] if change else one.samples[:1]:
            cells = (change.action, change.before, change.after) if change else ("", "", "")
            rows.append([one.id, one.kind, sample.product, sample.name, *cells, f"{one.score:.4f}", one.message])
    write_rows(file, rows)
    return file.getvalue()


def _exit(outcomes: Sequence[Outcome], if_empty: str) -> None:
    if not outcomes:
        out.print(if_empty)
        raise typer.Exit
    for one in outcomes:
        (out if one.done else err).print(Text(one_line(f"{one.id}  {one.message}")))
    done = sum(one.done for one in outcomes)
    out.print(f"{done:,} of {len(outcomes):,} done")
    raise typer.Exit(0 if done == len(outcomes) else 1 if done else 2)
