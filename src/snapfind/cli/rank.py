"""Verbs of the click ranker: fit it to the shop's events, judge it, let it order the answers or not."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

import snapfind
from snapfind.cli.options import Json, Shop
from snapfind.cli.output import err, out, print_json
from snapfind.training.requirements import need_torch

if TYPE_CHECKING:
    from snapfind.ranking.shop import Judged
    from snapfind.training.loop import Told

__all__ = ["app"]

app = typer.Typer(
    help="Order the answers by what shoppers open: fit a click ranker to the events, evaluate it, switch it on or off.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command()
def fit(
    shop: Shop,
    domain: Annotated[
        Literal["search", "similar"],
        typer.Option(help="Whose clicks: of searches, or of what stands beside a product."),
    ] = "search",
    method: Annotated[
        Literal["single", "cdanet"], typer.Option(help="From this domain alone, or helped by the clicks of the other.")
    ] = "single",
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    use: Annotated[bool, typer.Option("--use", help="Let it order the answers from now on.")] = False,
    json: Json = False,
) -> None:
    """Learn who opens what from the shop's events (extra learn)."""
    need_torch()
    from snapfind.ranking.shop import fit_shop

    with snapfind.open(shop, create=False) as opened:
        artifact = opened.folder.path / "learn" / "ranker"
        judged = fit_shop(opened, artifact, domain=domain, method=method, seed=seed, told=_tell)
        if use:
            opened.rank(artifact)
    _print(judged, json)
    if not json:
        out.print("it orders the answers now" if use else f"it is not used yet; use it with: snapfind rank use {shop}")


@app.command()
def evaluate(
    shop: Shop,
    artifact: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="A ranker that is not in use, such as SHOP/learn/ranker.")
    ] = None,
    json: Json = False,
) -> None:
    """Judge the ranker on what was shown since it learnt."""
    need_torch()
    from snapfind.ranking.shop import judge_shop

    with snapfind.open(shop, create=False) as opened:
        judged = judge_shop(opened, artifact)
    _print(judged, json)


@app.command()
def use(
    shop: Shop,
    artifact: Annotated[
        str,
        typer.Argument(metavar="FOLDER|none", help="Of the ranker; by default the one fitted last; none: no ranker."),
    ] = "",
) -> None:
    """Let a ranker order the products of one verdict from now on, or (none) not."""
    with snapfind.open(shop, create=False) as opened:
        opened.rank(None if artifact == "none" else artifact or opened.folder.path / "learn" / "ranker")
    out.print("no ranker orders the answers" if artifact == "none" else "it orders the answers now")


def _tell(told: "Told") -> None:
    err.print(f"epoch {told.epoch}/{told.epochs}  loss {told.loss:.3f}  AUC {told.score or 0:.3f} on what chooses")


def _print(judged: "Judged", json: bool) -> None:
    if json:
        print_json(asdict(judged))
        return
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "ranker", "search"):
        grid.add_column(name)
    for name in ("auc", "gauc", "log_loss", "calibration"):
        old = "" if judged.search is None else f"{getattr(judged.search, name):.3f}"
        grid.add_row(name, f"{getattr(judged.ranker, name):.3f}", old)
    out.print(f"{judged.ranker.rows:,} products shown since {judged.since}")
    out.print(grid)
    if judged.first is not None:
        found = judged.first
        out.print(
            f"clicks on the first place: {judged.earned:.3f} as logged, {found.value:.3f} ({found.low:.3f} to "
            f"{found.high:.3f}) by the ranker, from {found.effective:,.0f} effective rows that were drawn"
        )
