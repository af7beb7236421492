"""The command `eval`."""

import json as json_
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

import snapfind
from snapfind.catalog.catalog import Catalog
from snapfind.catalog.storage.folder import write_whole
from snapfind.cli.contact_sheet import write_rows
from snapfind.cli.options import Shop
from snapfind.cli.output import err, out, progress_bar
from snapfind.core.errors import BadInput
from snapfind.core.query import OPTIONS, Regions
from snapfind.evaluation.contact_sheet import sheet_row
from snapfind.evaluation.metrics import METRICS
from snapfind.evaluation.queries import LabeledQuery, by_category, read_queries, sample
from snapfind.evaluation.report import Report, compare
from snapfind.evaluation.run import evaluate, query_of

__all__ = ["eval_"]

_WORST = 24  # mistakes on the page


def eval_(
    shop: Shop,
    queries: Annotated[Path, typer.Argument(help="CSV with picture (or text) and product, category, or both.")],
    root: Annotated[
        Path | None, typer.Option(help="Folder that picture paths are relative to. Default: the folder of the CSV.")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the full report as JSON.")] = None,
    table: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write one row per query as CSV.")] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Compare with an earlier report written by --json.")
    ] = None,
    worst: Annotated[
        Path | None, typer.Option(metavar="OUT.html", help="Write a contact sheet of the worst mistakes.")
    ] = None,
    regions: Annotated[Regions, typer.Option(help=OPTIONS["regions"].help)] = "auto",
    category: Annotated[
        bool, typer.Option("--category", help="Evaluate the rows that name a category, at category level alone.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Evaluate a random sample of N queries, the same in each run."),
    ] = None,
) -> None:
    """Evaluate search quality on labeled queries: precision@1, recall@k, mAP, nDCG@10, MRR."""
    labeled, failures = read_queries(queries, root, categories=True)
    before = _read(against) if against else None
    if category:
        labeled = by_category(labeled)
        if not labeled:
            raise BadInput(f"No row of {queries.name} names a category. Add a column `category` or omit --category.")
    if limit is not None:
        labeled = sample(labeled, limit)
    if not labeled:
        raise BadInput(f"No usable query in {queries.name}. Each row needs picture or text, and product or category.")
    with snapfind.open(shop, create=False) as catalog:
        with progress_bar("searching") as progress:
            answered, unanswered = evaluate(catalog, labeled, regions=regions, progress=progress)
        report = Report(tuple(answered))
        if worst is not None:
            _write_worst(worst, catalog, report, labeled, regions)
    failures += unanswered
    if json is not None:
        write_whole(json, json_.dumps(report.as_dict(), ensure_ascii=False, indent=1).encode())
    if table is not None:
        write_whole(table, report.to_csv().encode())
    _print(report)
    if before is not None:
        _print_difference(report, before)
    for failure in failures[:10]:
        err.print(failure, markup=False)
    raise typer.Exit(0 if not failures else 1 if answered else 2)


def _read(path: Path) -> Report:
    try:
        return Report.parse(json_.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise BadInput(f"Not a report of eval --json: {path} ({error}).") from error


def _print(report: Report) -> None:
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "product", "category"):
        grid.add_column(name)
    levels = [report.figures("product"), report.figures("category")]
    for name in METRICS:
        grid.add_row(name, *(str(level[name]) if level else "" for level in levels))
    out.print(f"{len(report.queries):,} queries. Means with 95% bootstrap confidence intervals.")
    out.print(grid)
    for name, values in report.slices().items():
        out.print(f"\nprecision@1 by {name}")
        worst = sorted(values.items(), key=lambda pair: pair[1].mean)[:12]
        for value, figure in worst:
            out.print(f"  {value or '-'}  {figure}  n={figure.n}", markup=False)
        if len(values) > len(worst):
            out.print(f"  … the {len(worst)} worst of {len(values)}")


def _print_difference(report: Report, before: Report) -> None:
    grid = Table(
        box=None, pad_edge=False, header_style="bold", title="difference to the other report", title_justify="left"
    )
    for name in ("", "difference", "95% interval", "p"):
        grid.add_column(name)
    for name, change in compare(report, before).items():
        grid.add_row(name, f"{change.mean:+.3f}", f"{change.low:+.3f} to {change.high:+.3f}", f"{change.p:.3f}")
    out.print(grid)


def _write_worst(target: Path, catalog: Catalog, report: Report, queries: list[LabeledQuery], regions: Regions) -> None:
    by_name = {one.name: one for one in queries}
    rows = []
    for mistake in report.worst(_WORST):
        query = query_of(by_name[mistake.query], regions)
        rows.append(sheet_row(catalog, query, catalog.search(query, limit=5), mistake.relevant or None))
    write_rows(target, rows, f"The {len(rows)} most confident mistakes")
    err.print(f"worst mistakes: {target}")
