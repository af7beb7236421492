"""Verbs that change what the catalogue holds, and the one that writes it out: add, delete, export."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

import snapfind
from snapfind.catalog.ingest.columns import parse_columns
from snapfind.catalog.ingest.csv_safety import write_rows
from snapfind.catalog.ingest.report import AddReport
from snapfind.catalog.ingest.sources import Folders, open_source
from snapfind.catalog.storage.export import with_copies, write_table
from snapfind.cli.options import Filter, Json
from snapfind.cli.output import err, one_line, out, print_json, progress_bar
from snapfind.cli.target import Place, at, folder_of
from snapfind.core.errors import BadInput
from snapfind.index.payload import FIXED

__all__ = ["add", "delete", "export"]

_SHOWN = 10


def add(
    shop: Place,
    source: Annotated[
        str,
        typer.Argument(
            help="A table (.csv, .tsv, .txt, .json, .jsonl, also .gz; .parquet), a folder of pictures or of folders; "
            "s3://… with --ray."
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and report; write nothing.")] = False,
    sync: Annotated[bool, typer.Option("--sync", help="Remove what the source no longer has.")] = False,
    errors: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write rows that failed: id, code, path, reason.")
    ] = None,
    root: Annotated[
        str, typer.Option(help="Folder that picture names start from; the table's own by default; s3://… with --ray.")
    ] = "",
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="id=NAME|NAME:KIND",
            help="What a column is, where it has its own name; or its kind: number, text, bool, date, list.",
        ),
    ] = None,
    folders: Annotated[
        Folders, typer.Option(help="What a sub-folder is: a product, or a category where each picture is a product.")
    ] = "product",
    ray: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Encode on a Ray cluster: its address, auto, or local to start one.")
    ] = "",
    json: Json = False,
) -> None:
    """Add products, or bring them up to date: what is stored already is left alone. Stop and run it again at will."""
    if ray and dry_run:
        raise BadInput("--ray writes what it reads; try with --dry-run on this machine, without --ray")
    if "://" in source + root and not ray:
        raise BadInput(
            "what is in object storage is read by the workers of --ray; add --ray local, or a cluster's address"
        )
    if ray and (column or folders != "product"):
        raise BadInput("--column and --folders go with what this machine reads, without --ray")
    chosen, kinds = parse_columns(column or ())
    read: dict[str, Any] = {"root": root or None, "columns": chosen, "kinds": kinds, "folders": folders}
    if ray:
        report, hint = _add_spread(folder_of(shop, "add --ray"), source, ray, sync, root), False
    elif not dry_run and not sync and shop.startswith("http"):
        with at(shop) as server, progress_bar("sending") as progress:
            report, hint = server.add(Path(source), progress=progress, **read), False
    else:
        report, hint = _add_here(folder_of(shop, "add --dry-run or --sync"), Path(source), sync, dry_run, read)
    if errors is not None:
        _write_failures(errors, report)
    if json:
        print_json(_report_json(report))
    else:
        _print_report(report, errors)
        if hint:
            out.print(f"For better photo search, fit the encoder to these pictures: snapfind model fit {shop}")
            out.print("Photos of shoppers, without labels, make it better still: --photos FOLDER")
    raise typer.Exit(report.exit_code)


def _add_here(shop: Path, source: Path, sync: bool, dry_run: bool, read: Mapping[str, Any]) -> tuple[AddReport, bool]:
    """Add to a folder; whether a fit would help."""
    if not shop.exists():  # what cannot be read leaves no empty catalogue behind
        open_source(source, {}, columns=read["columns"], kinds=read["kinds"], folders=read["folders"])
    with _tried(shop, dry_run) as place, snapfind.open(place) as catalogue, progress_bar("adding") as progress:
        report = catalogue.add(source, sync=sync, dry_run=dry_run, progress=progress, **read)
        if not dry_run and report.embedded:
            catalogue.optimize()
        return report, bool(report.embedded) and not dry_run and not catalogue.fitted


@contextmanager
def _tried(shop: Path, dry_run: bool) -> Iterator[Path]:
    """The folder to work in: a passing one where a catalogue that is not there yet is only tried."""
    if shop.exists() or not dry_run:
        yield shop
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder) / shop.name


def _add_spread(shop: Path, source: str, address: str, sync: bool, root: str) -> AddReport:
    """Add to a folder by the workers of a Ray cluster."""
    from snapfind import distributed

    with snapfind.open(shop) as catalogue, progress_bar("adding") as progress:
        report = distributed.add(catalogue, source, address, sync=sync, root=root, progress=progress)
        if report.embedded:
            catalogue.optimize()
        return report


def _report_json(report: AddReport) -> dict[str, Any]:
    return {**asdict(report), "embedded": report.embedded}


def _write_failures(path: Path, report: AddReport) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = ([failure.id, failure.code, failure.path, failure.reason] for failure in report.failures)
        write_rows(file, [["id", "code", "path", "reason"], *rows])


def _print_report(report: AddReport, errors: Path | None) -> None:
    words = {
        "new": report.added,
        "changed": report.changed,
        "with new fields": report.updated,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "failed": len(report.failures),
    }
    said = ", ".join(f"{count:,} {word}" for word, count in words.items() if count) or "nothing to do"
    rate = f", {report.embedded / report.seconds:,.0f} pictures/s" if report.embedded and report.seconds else ""
    out.print(
        f"{'would be: ' if report.dry_run else ''}{said} ({report.seconds:.1f} s{'' if report.dry_run else rate})"
    )
    for note in report.notes:
        err.print(one_line(note), markup=False)
    for twin in report.duplicates[:_SHOWN]:
        said = f"{twin.id}  {twin.picture}: {twin.grade} as {twin.of_picture} of {twin.of_id}"
        err.print(f"  {one_line(said)}", markup=False)
    if len(report.duplicates) > _SHOWN:
        err.print(f"  … and {len(report.duplicates) - _SHOWN:,} more duplicates; --json lists them all")
    for failure in report.failures[: 0 if errors else _SHOWN]:
        said = f"{failure.id or '?'}  {failure.code}  {failure.path}: {failure.reason}"
        err.print(f"  {one_line(said)}", markup=False)
    if errors and report.failures:
        err.print(f"the {len(report.failures):,} failures are in {errors}")
    elif len(report.failures) > _SHOWN:
        err.print(f"  … and {len(report.failures) - _SHOWN:,} more; write them all with --errors FILE")


def delete(
    shop: Place,
    products: Annotated[list[str] | None, typer.Argument(metavar="ID…", help="Products to delete.")] = None,
    filter: Filter = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete products by id or by filter, with all their pictures."""
    with at(shop) as catalogue:
        if filter and not yes:
            count = sum(1 for _ in catalogue.products(filter=filter))
            typer.confirm(f"Delete {count:,} products?", abort=True, err=True)
        gone = catalogue.delete(products or (), filter=filter)
    out.print(f"{gone:,} {'picture' if gone == 1 else 'pictures'} deleted")
    raise typer.Exit(0 if gone else 2)


def export(
    shop: Place,
    target: Annotated[Path, typer.Argument(help="The table to write: .csv, .jsonl or .parquet.")],
    filter: Filter = None,
    vectors: Annotated[bool, typer.Option("--vectors", help="With the vectors of every space.")] = False,
    pictures: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Also write the kept copies of the pictures there.")
    ] = None,
) -> None:
    """Write the catalogue as a table that `add` reads again."""
    with at(shop) as catalogue:
        rows = catalogue.export(filter=filter, vectors=vectors)
        if pictures is not None:
            rows = with_copies(rows, catalogue.picture, _beside(pictures, target))
        count = write_table(rows, target, FIXED | catalogue.schema, vectors=vectors)
    out.print(f"{count:,} rows in {target}")


def _beside(pictures: Path, target: Path) -> Path:
    if not pictures.resolve().is_relative_to(target.parent.resolve()):
        raise BadInput(f"{pictures} is not beside {target.name}; the table names its pictures from its own folder")
    return pictures
