"""Commands of the click ranker: train it on the event log, evaluate it, switch it on or off."""

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
    from snapfind.ranking.shop import RankerEvaluation
    from snapfind.training.loop import EpochMetrics

__all__ = ["app"]

app = typer.Typer(
    help="Click ranker (CTR model): train it on the event log, evaluate it, switch it on or off.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command()
def fit(
    shop: Shop,
    domain: Annotated[
        Literal["search", "similar"],
        typer.Option(help="Source of clicks: searches, or lists of similar products."),
    ] = "search",
    method: Annotated[
        Literal["single", "cdanet"],
        typer.Option(help="Train on this domain only, or transfer from the other domain (CDAnet)."),
    ] = "single",
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    use: Annotated[bool, typer.Option("--use", help="Rank results with it right away.")] = False,
    json: Json = False,
) -> None:
    """Train a click ranker on the event log. Requires the extra `train`."""
    need_torch()
    from snapfind.ranking.shop import fit_shop

    with snapfind.open(shop, create=False) as opened:
        artifact = opened.folder.path / "train" / "ranker"
        evaluation = fit_shop(opened, artifact, domain=domain, method=method, seed=seed, on_epoch=_print_epoch)
        if use:
            opened.models.use_ranker(artifact)
    _print_evaluation(evaluation, json)
    if not json:
        out.print("The ranker is active." if use else f"The ranker is not active. To use it: snapfind rank use {shop}")


@app.command()
def evaluate(
    shop: Shop,
    artifact: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Ranker to evaluate instead of the active one, such as SHOP/train/ranker."),
    ] = None,
    json: Json = False,
) -> None:
    """Evaluate the ranker on impressions after its training data."""
    need_torch()
    from snapfind.ranking.shop import evaluate_shop

    with snapfind.open(shop, create=False) as opened:
        evaluation = evaluate_shop(opened, artifact)
    _print_evaluation(evaluation, json)


@app.command()
def use(
    shop: Shop,
    artifact: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER|none", help="Folder of the ranker. Default: the one trained last. none: switch it off."
        ),
    ] = "",
) -> None:
    """Rank the products within each verdict by a click ranker, or switch it off (none)."""
    with snapfind.open(shop, create=False) as opened:
        opened.models.use_ranker(None if artifact == "none" else artifact or opened.folder.path / "train" / "ranker")
    out.print("The click ranker is off." if artifact == "none" else "The ranker is active.")


def _print_epoch(epoch: "EpochMetrics") -> None:
    err.print(f"epoch {epoch.epoch}/{epoch.epochs}  loss {epoch.loss:.3f}  validation AUC {epoch.score or 0:.3f}")


def _print_evaluation(evaluation: "RankerEvaluation", json: bool) -> None:
    if json:
        print_json(asdict(evaluation))
        return
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "ranker", "search"):
        grid.add_column(name)
    for name in ("auc", "gauc", "log_loss", "calibration"):
        baseline = "" if evaluation.search is None else f"{getattr(evaluation.search, name):.3f}"
        grid.add_row(name, f"{getattr(evaluation.ranker, name):.3f}", baseline)
    out.print(f"{evaluation.ranker.rows:,} impressions since {evaluation.since}")
    out.print(grid)
    if evaluation.first is not None:
        estimate = evaluation.first
        out.print(
            f"click rate in first place: {evaluation.earned:.3f} logged, {estimate.value:.3f} ({estimate.low:.3f} to "
            f"{estimate.high:.3f}) with the ranker (off-policy estimate, effective sample size "
            f"{estimate.effective:,.0f})"
        )
