"""Verbs of the flywheel: run a turn, show the trial, conclude it, list the turns."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

import snapfind
from snapfind.cli.options import Json, Shop
from snapfind.cli.output import err, out, print_json
from snapfind.evaluation.queries import read_queries

__all__ = ["app"]

app = typer.Typer(
    help="Learn from what shoppers do, turn by turn, and let a model answer only when it is proved.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command()
def run(
    shop: Shop,
    frozen: Annotated[
        Path | None, typer.Option(metavar="TABLE", help="Labelled photos that never change: columns picture, product.")
    ] = None,
    depth: Annotated[
        Literal["fit", "heads", "blocks", "network"],
        typer.Option(
            help="What learns: a closed form in a minute, or (extra learn) heads, the last blocks, everything."
        ),
    ] = "fit",
    minutes: Annotated[float, typer.Option(help="About how long learning may take; 0 as long as it needs.")] = 0,
    least: Annotated[int, typer.Option(help="Labelled photos that are needed.")] = 50,
    slice_loss: Annotated[float, typer.Option(help="What a slice may lose of precision@1, 0 to 1.")] = 0.1,
    gain: Annotated[float, typer.Option(help="What must be gained of precision@1, with p below .05.")] = 0,
    share: Annotated[
        float, typer.Option(help="Part of the photo searches that the new model answers on trial; 0 switches at once.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    json: Json = False,
) -> None:
    """One turn: labels from clicks, a model learnt from them, judged, and put on trial when every guard holds."""
    from snapfind.flywheel import run as turn
    from snapfind.flywheel.config import Rules

    rules = Rules(least=least, depth=depth, minutes=minutes, slice_loss=slice_loss, gain=gain, share=share, seed=seed)
    asked, failed = read_queries(frozen) if frozen else ([], [])
    for sentence in failed[:10]:
        err.print(sentence, markup=False)
    with snapfind.open(shop, create=False) as catalogue:
        made = turn.run(catalogue, rules, asked, lambda said: err.print(said, markup=False))
    if json:
        print_json(_plain(made))
        return
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("guard", "holds", "what it saw"):
        grid.add_column(name)
    for guard in made.guards:
        grid.add_row(guard.name, "yes" if guard.holds else "NO", guard.told)
    out.print(grid)
    out.print(f"turn {made.number}: {made.decision}; {made.why}", markup=False)


@app.command()
def conclude(
    shop: Shop,
    votes: Annotated[int, typer.Option(help="Decided votes that are needed.")] = 50,
    force: Annotated[bool, typer.Option("--force", help="End the trial with the votes that are there.")] = False,
    json: Json = False,
) -> None:
    """End the trial: switch where shoppers prefer the new model, else keep the old one."""
    from snapfind.flywheel import run as turn

    with snapfind.open(shop, create=False) as catalogue:
        made = turn.conclude(catalogue, votes=votes, force=force)
    if json:
        print_json(_plain(made))
    else:
        out.print(f"turn {made.number}: {made.decision}; {made.why}", markup=False)


@app.command()
def history(shop: Shop, json: Json = False) -> None:
    """The turns, oldest first: what each learnt from, what it gave, and why it went live or did not."""
    from snapfind.flywheel.records import turns
    from snapfind.flywheel.run import folder_of

    with snapfind.open(shop, create=False) as catalogue:
        made = list(turns(folder_of(catalogue)))
    if json:
        print_json([_plain(one) for one in made])
        return
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("turn", "began", "photos", "before", "after", "decision", "why"):
        grid.add_column(name)
    for one in made:
        figures = one.metrics.get("frozen") or one.metrics.get("fresh") or {}
        cells = (f"{figures[when]['precision@1']:.3f}" if figures else "" for when in ("before", "after"))
        grid.add_row(str(one.number), one.began, str(one.data.get("photos", "")), *cells, one.decision, one.why)
    out.print(grid)


def _plain(made: object) -> dict[str, object]:
    from dataclasses import asdict, is_dataclass

    assert is_dataclass(made) and not isinstance(made, type)
    return asdict(made)
