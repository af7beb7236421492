"""The commands `add`, `delete` and `export`."""

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
from snapfind.catalog.storage.export import export_copies, write_table
from snapfind.cli.options import Filter, Json
from snapfind.cli.output import err, one_line, out, print_json, progress_bar
from snapfind.cli.target import Place, at, folder_of
from snapfind.core.errors import BadInput
from snapfind.index.payload import FIXED

__all__ = ["add", "delete", "export"]

_LISTED = 10


Source = Annotated[
    str,
    typer.Argument(
        help="Table (.csv, .tsv, .txt, .json, .jsonl, optionally .gz; .parquet), or folder of pictures or folders. "
        "With --ray also s3://…"
    ),
]
Sync = Annotated[bool, typer.Option("--sync", help="Delete products and pictures that the source no longer has.")]
Errors = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write the failed rows as CSV: id, code, path, reason.")
]
Root = Annotated[
    str,
    typer.Option(
        help="Folder that picture paths are relative to. Default: the folder of the table. With --ray also s3://…"
    ),
]
Column = Annotated[
    list[str] | None,
    typer.Option(
        metavar="id=NAME|NAME:KIND",
        help="Map a column to a field (id=NAME), or set its type (NAME:KIND): number, text, bool, date, list.",
    ),
]
FoldersOption = Annotated[
    Folders,
    typer.Option(help="Meaning of sub-folders: one product each, or a category in which every picture is a product."),
]
Ray = Annotated[
    str,
    typer.Option(metavar="ADDRESS", help="Encode on a Ray cluster: its address, auto, or local to start one here."),
]


def add(
    shop: Place,
    source: Source,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and report, but write nothing.")] = False,
    sync: Sync = False,
    errors: Errors = None,
    root: Root = "",
    column: Column = None,
    folders: FoldersOption = "product",
    ray: Ray = "",
    json: Json = False,
) -> None:
    """Add or update products. Unchanged pictures are not encoded again, so an interrupted run can be repeated."""
    if ray and dry_run:
        raise BadInput("--dry-run does not work with --ray. Leave --ray out.")
    if "://" in source + root and not ray:
        raise BadInput(
            "Object storage (s3://…) is read by Ray workers only. Add --ray local, or the address of a cluster."
        )
    if ray and (column or folders != "product"):
        raise BadInput("--column and --folders do not work with --ray. Leave --ray out.")
    chosen, kinds = parse_columns(column or ())
    options: dict[str, Any] = {"root": root or None, "columns": chosen, "kinds": kinds, "folders": folders}
    if ray:
        report, hint = _add_with_ray(folder_of(shop, "add --ray"), source, ray, sync, root), False
    elif not dry_run and not sync and shop.startswith("http"):
        with at(shop) as server, progress_bar("sending") as progress:
            report, hint = server.add(Path(source), progress=progress, **options), False
    else:
        report, hint = _add_to_folder(folder_of(shop, "add --dry-run or --sync"), Path(source), sync, dry_run, options)
    if errors is not None:
        _write_failures(errors, report)
    if json:
        print_json(_report_json(report))
    else:
        _print_report(report, errors)
        if hint:
            out.print(f"To improve photo search, fit the encoder to these pictures: snapfind model fit {shop}")
            out.print("Unlabeled photos of shoppers improve it further: --photos FOLDER")
    raise typer.Exit(report.exit_code)


def _add_to_folder(
    shop: Path, source: Path, sync: bool, dry_run: bool, options: Mapping[str, Any]
) -> tuple[AddReport, bool]:
    """Add to a folder. Return the report, and whether to suggest `model fit`."""
    if not shop.exists():  # a source that cannot be read must not leave an empty catalog behind
        open_source(source, {}, columns=options["columns"], kinds=options["kinds"], folders=options["folders"])
    with _dry_run_folder(shop, dry_run) as place, snapfind.open(place) as catalog, progress_bar("adding") as progress:
        report = catalog.add(source, sync=sync, dry_run=dry_run, progress=progress, **options)
        if not dry_run and report.embedded:
            catalog.optimize()
        return report, bool(report.embedded) and not dry_run and not catalog.fitted


@contextmanager
def _dry_run_folder(shop: Path, dry_run: bool) -> Iterator[Path]:
    """Yield the folder to work in: a temporary one for a dry run of a catalog that does not exist yet."""
    if shop.exists() or not dry_run:
        yield shop
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder) / shop.name


def _add_with_ray(shop: Path, source: str, address: str, sync: bool, root: str) -> AddReport:
    """Add to a folder with the workers of a Ray cluster."""
    from snapfind import distributed

    with snapfind.open(shop) as catalog, progress_bar("adding") as progress:
        report = distributed.add(catalog, source, address, sync=sync, root=root, progress=progress)
        if report.embedded:
            catalog.optimize()
        return report


def _report_json(report: AddReport) -> dict[str, Any]:
    return {**asdict(report), "embedded": report.embedded}


def _write_failures(path: Path, report: AddReport) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = ([failure.id, failure.code, failure.path, failure.reason] for failure in report.failures)
        write_rows(file, [["id", "code", "path", "reason"], *rows])


def _print_report(report: AddReport, errors: Path | None) -> None:
    counts = {
        "new": report.added,
        "changed": report.changed,
        "with new fields": report.updated,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "failed": len(report.failures),
    }
    summary = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "nothing to do"
    rate = f", {report.embedded / report.seconds:,.0f} pictures/s" if report.embedded and report.seconds else ""
    out.print(
        f"{'dry run: ' if report.dry_run else ''}{summary} ({report.seconds:.1f} s{'' if report.dry_run else rate})"
    )
    for note in report.notes:
        err.print(one_line(note), markup=False)
    for duplicate in report.duplicates[:_LISTED]:
        match = f"{duplicate.grade} as {duplicate.of_picture} of {duplicate.of_id}"
        err.print(f"  {one_line(f'{duplicate.id}  {duplicate.picture}: {match}')}", markup=False)
    if len(report.duplicates) > _LISTED:
        err.print(f"  … and {len(report.duplicates) - _LISTED:,} more duplicates. List all with --json.")
    for failure in report.failures[: 0 if errors else _LISTED]:
        line = f"{failure.id or '?'}  {failure.code}  {failure.path}: {failure.reason}"
        err.print(f"  {one_line(line)}", markup=False)
    if errors and report.failures:
        err.print(f"{len(report.failures):,} failures written to {errors}")
    elif len(report.failures) > _LISTED:
        err.print(f"  … and {len(report.failures) - _LISTED:,} more. Write all with --errors FILE.")


def delete(
    shop: Place,
    products: Annotated[list[str] | None, typer.Argument(metavar="ID…", help="Ids of products to delete.")] = None,
    filter: Filter = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete products by id or by filter, with all their pictures."""
    with at(shop) as catalog:
        if filter and not yes:
            count = sum(1 for _ in catalog.products(filter=filter))
            typer.confirm(f"Delete {count:,} products?", abort=True, err=True)
        count = catalog.delete(products or (), filter=filter)
    out.print(f"{count:,} {'picture' if count == 1 else 'pictures'} deleted")
    raise typer.Exit(0 if count else 2)


def export(
    shop: Place,
    target: Annotated[Path, typer.Argument(help="Output table: .csv, .jsonl or .parquet.")],
    filter: Filter = None,
    vectors: Annotated[bool, typer.Option("--vectors", help="Include the embeddings of every space.")] = False,
    pictures: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Also write the stored pictures to this folder.")
    ] = None,
) -> None:
    """Export the catalog as a table that `add` can read."""
    with at(shop) as catalog:
        rows = catalog.export(filter=filter, vectors=vectors)
        if pictures is not None:
            rows = export_copies(rows, catalog.picture, _check_beside(pictures, target))
        count = write_table(rows, target, FIXED | catalog.schema, vectors=vectors)
    out.print(f"{count:,} rows in {target}")


def _check_beside(pictures: Path, target: Path) -> Path:
    if not pictures.resolve().is_relative_to(target.parent.resolve()):
        raise BadInput(
            f"{pictures} is not below the folder of {target.name}. Picture paths in the table are relative to it."
        )
    return pictures
