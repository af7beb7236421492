"""Commands of the flywheel: start a run, conclude an interleaving experiment, list the runs."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

import snapfind
from snapfind.cli.options import Json, Shop
from snapfind.cli.output import err, out, print_json
from snapfind.evaluation.queries import read_queries
from snapfind.flywheel.config import FlywheelConfig

__all__ = ["app"]

_DEFAULTS = FlywheelConfig()

app = typer.Typer(
    help="Retrain on shoppers' clicks. A model goes live only after quality gates and an A/B test.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command()
def run(
    shop: Shop,
    frozen: Annotated[
        Path | None,
        typer.Option(
            metavar="TABLE", help="Fixed test set: CSV of labeled photos with the columns picture and product."
        ),
    ] = None,
    depth: Annotated[
        Literal["fit", "heads", "blocks", "network"],
        typer.Option(help="What to train: a closed-form adapter (fit), or with extra train: heads, last blocks, all."),
    ] = _DEFAULTS.depth,
    minutes: Annotated[
        float, typer.Option(help="Approximate training time in minutes. 0: no limit.")
    ] = _DEFAULTS.minutes,
    least: Annotated[int, typer.Option(help="Minimum number of labeled photos.")] = _DEFAULTS.min_photos,
    slice_loss: Annotated[
        float, typer.Option(help="Quality gate: maximum loss of precision@1 in any slice, 0 to 1.")
    ] = _DEFAULTS.max_slice_loss,
    gain: Annotated[
        float, typer.Option(help="Quality gate: minimum gain of precision@1, with p < 0.05.")
    ] = _DEFAULTS.min_gain,
    share: Annotated[
        float,
        typer.Option(help="Fraction of photo searches in the A/B test of the new model. 0: switch without a test."),
    ] = _DEFAULTS.share,
    seed: Annotated[int, typer.Option(help="Random seed.")] = _DEFAULTS.seed,
    json: Json = False,
) -> None:
    """Start a run: derive labels from clicks, train a model, evaluate it, and A/B test it if all quality gates pass."""
    from snapfind.flywheel.run import run_flywheel

    config = FlywheelConfig(
        min_photos=least,
        depth=depth,
        minutes=minutes,
        max_slice_loss=slice_loss,
        min_gain=gain,
        share=share,
        seed=seed,
    )
    queries, failures = read_queries(frozen) if frozen else ([], [])
    for failure in failures[:10]:
        err.print(failure, markup=False)
    with snapfind.open(shop, create=False) as catalog:
        result = run_flywheel(catalog, config, queries, lambda message: err.print(message, markup=False))
    if json:
        print_json(_plain(result))
        return
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("quality gate", "passed", "detail"):
        grid.add_column(name)
    for gate in result.gates:
        grid.add_row(gate.name, "yes" if gate.passed else "NO", gate.detail)
    out.print(grid)
    out.print(f"run {result.number}: {result.decision}. {result.reason}", markup=False)


@app.command()
def conclude(
    shop: Shop,
    votes: Annotated[int, typer.Option(help="Minimum number of decided votes.")] = 50,
    force: Annotated[bool, typer.Option("--force", help="End the experiment with the votes so far.")] = False,
    json: Json = False,
) -> None:
    """End the A/B test: switch if shoppers prefer the new model, else keep the old one."""
    from snapfind.flywheel.run import conclude_experiment

    with snapfind.open(shop, create=False) as catalog:
        result = conclude_experiment(catalog, votes=votes, force=force)
    if json:
        print_json(_plain(result))
    else:
        out.print(f"run {result.number}: {result.decision}. {result.reason}", markup=False)


@app.command()
def history(shop: Shop, json: Json = False) -> None:
    """List the runs, oldest first, with data, metrics, decision and reason."""
    from snapfind.flywheel.records import read_runs
    from snapfind.flywheel.run import folder_of

    with snapfind.open(shop, create=False) as catalog:
        records = list(read_runs(folder_of(catalog)))
    if json:
        print_json([_plain(one) for one in records])
        return
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("run", "started", "photos", "before", "after", "decision", "reason"):
        grid.add_column(name)
    for one in records:
        metrics = one.metrics.get("frozen") or one.metrics.get("fresh") or {}
        cells = (f"{metrics[when]['precision@1']:.3f}" if metrics else "" for when in ("before", "after"))
        grid.add_row(str(one.number), one.started, str(one.data.get("photos", "")), *cells, one.decision, one.reason)
    out.print(grid)


def _plain(record: object) -> dict[str, object]:
    from dataclasses import asdict, is_dataclass

    assert is_dataclass(record) and not isinstance(record, type)
    return asdict(record)
