"""Verbs about models: list, fit to the catalogue, build another or use your own, try it out, switch, roll back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

import snapfind
from snapfind.catalog.ingest.sources import pictures_in
from snapfind.cli.model_export import convert, use, verify
from snapfind.cli.model_quantize import quantise
from snapfind.cli.options import Json
from snapfind.cli.output import err, out, print_json, progress_bar
from snapfind.cli.target import Place, at, folder_of
from snapfind.core.errors import BadInput
from snapfind.evaluation.queries import read_queries

__all__ = ["app"]

app = typer.Typer(
    help="Models of a catalogue: list, fit, quantise, calibrate, build, switch, rollback, try, drop, rerank, bridge.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command("list")
def list_(shop: Place, json: Json = False) -> None:
    """The models that stand side by side, and which one answers."""
    with at(shop) as catalogue:
        info = catalogue.info()
    if json:
        print_json({name: info[name] for name in ("model", "previous", "models")})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("model", "encoder", "fitted", "state"):
        table.add_column(name)
    for name, model in info["models"].items():
        state = "answers" if name == info["model"] else "built" if model["ready"] else "not built to the end"
        table.add_row(name, model["encoder"], "yes" if model["adapted"] else "no", state)
    out.print(table)


@app.command()
def fit(
    shop: Place,
    photos: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER|TABLE",
            help="Photos of shoppers: a folder, without labels, or a CSV with picture and product; may be repeated.",
        ),
    ] = None,
    kept: Annotated[bool, typer.Option("--kept", help="Fit to the photos of searches that were kept, too.")] = False,
) -> None:
    """Fit the encoder to the catalogue's own pictures, build its space beside the old one, and switch.

    Photos of shoppers make it better, ten without a label already; labelled ones much better.
    """
    if photos:
        name = _fit_to(photos, folder_of(shop, "model fit --photos"), kept)
    else:
        with at(shop) as catalogue, progress_bar("fitting") as progress:
            name = catalogue.fit(kept=kept, progress=progress)
    out.print(f"{name} answers now; go back with: snapfind model rollback {shop}")


def _fit_to(places: Sequence[Path], shop: Path, kept: bool) -> str:
    photos: list[Path] = []
    confirmed: list[tuple[Path, str]] = []
    for place in places:
        if not place.exists():
            raise BadInput(f"there is no folder or table {place}; give shoppers' photos, or a table of labelled ones")
        found = list(pictures_in(place)) if place.is_dir() else _confirmed(place)
        if not found:
            raise BadInput(f"{place} names no pictures; give a folder of shoppers' photos, or a table of labelled ones")
        photos += (one for one in found if isinstance(one, Path))
        confirmed += (one for one in found if not isinstance(one, Path))
    refused: list[str] = []
    with snapfind.open(shop, create=False) as catalogue, progress_bar("fitting") as progress:
        name = catalogue.fit(photos, confirmed, kept=kept, refused=refused.append, progress=progress)
    for sentence in refused[:10]:
        err.print(sentence, markup=False)
    if refused:
        err.print(f"{len(refused):,} photo(s) could not be used; fitted without them")
    return name


@app.command()
def calibrate(
    shop: Place,
    pairs: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Confirmed photos: columns picture, product. 30 or more.")
    ] = None,
    json: Json = False,
) -> None:
    """Fit the scores to this catalogue: from its own pictures, or from photos whose product is known."""
    confirmed = _confirmed(pairs) if pairs else None
    with (
        snapfind.open(folder_of(shop, "model calibrate"), create=False) as catalogue,
        progress_bar("calibrating") as progress,
    ):
        learnt = catalogue.calibrate(confirmed, progress=progress)
    if json:
        print_json(learnt)
    else:
        out.print(f"calibrated from {learnt['from']}: {learnt['photos']:,} photos, {learnt['categories']:,} categories")


def _confirmed(table: Path) -> list[tuple[Path, str]]:
    asked, failed = read_queries(table)
    for sentence in failed[:10]:
        err.print(sentence, markup=False)
    return [(one.photo, min(one.products)) for one in asked if one.photo is not None]


@app.command()
def build(shop: Place, encoder: Annotated[str, typer.Argument(help="lite0 or lite2.")]) -> None:
    """Build the space of another encoder beside the one that answers; an interrupted build goes on."""
    with at(shop) as catalogue, progress_bar("building") as progress:
        name = catalogue.build(encoder, progress=progress)
    out.print(f"{name} is built; let it answer with: snapfind model switch {shop} {name}")


@app.command()
def switch(shop: Place, model: str) -> None:
    """Let another built model answer."""
    with at(shop) as catalogue:
        catalogue.switch(model)
    out.print(f"{model} answers now")


@app.command()
def rollback(shop: Place) -> None:
    """Go back to the model before the last switch."""
    with at(shop) as catalogue:
        name = catalogue.rollback()
    out.print(f"{name} answers now")


@app.command("try")
def try_(
    shop: Place,
    model: Annotated[str, typer.Argument(metavar="MODEL|none", help="A built model, or none to end the trial.")],
    share: Annotated[float, typer.Option(help="Part of the photo searches that it answers too, up to 1.")] = 0.1,
) -> None:
    """Let a built model answer a part of the photo searches beside the active one; clicks say which is better."""
    with at(shop) as catalogue:
        catalogue.try_out(None if model == "none" else model, share)
    said = f"{model} is on trial; end it with: snapfind flywheel conclude"
    out.print("no model is on trial" if model == "none" else said)


@app.command()
def drop(shop: Place, model: str) -> None:
    """Remove a model and its vectors; not the one that answers or is on trial."""
    with at(shop) as catalogue:
        catalogue.drop(model)
    out.print(f"{model} is gone")


@app.command()
def rerank(
    shop: Place, method: Annotated[str, typer.Argument(metavar="geometry|none", help="What looks once more.")]
) -> None:
    """Look at the first ten candidates of a photo once more, part by part, or (none) not; it is off at first."""
    with snapfind.open(folder_of(shop, "model rerank"), create=False) as catalogue:
        catalogue.rerank(None if method == "none" else method)
    out.print("the first candidates are not reranked" if method == "none" else f"{method} reranks the first candidates")


@app.command()
def bridge(
    shop: Place, source: Annotated[str, typer.Argument(metavar="conse|FOLDER", help="An artifact of learn locked.")]
) -> None:
    """Say how a text reaches the picture of a product without a title: by a learnt space, or by ConSE as at first."""
    folder = folder_of(shop, "model bridge")
    with snapfind.open(folder, create=False) as catalogue, progress_bar("building") as progress:
        name = catalogue.bridge(None if source == "conse" else source, progress=progress)
    out.print(f"texts reach pictures by {name}")


for verb in (quantise, convert, verify, use):
    app.command()(verb)
