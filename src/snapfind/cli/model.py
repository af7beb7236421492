"""Commands for the models of a catalog: list, fit, calibrate, build, switch, roll back, A/B test, delete."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

import snapfind
from snapfind.catalog.ingest.sources import find_media_files
from snapfind.cli.model_export import convert, use, verify
from snapfind.cli.model_quantize import quantize
from snapfind.cli.options import Json
from snapfind.cli.output import err, out, print_json, progress_bar
from snapfind.cli.target import Place, at, folder_of
from snapfind.core.errors import BadInput
from snapfind.evaluation.queries import read_queries

__all__ = ["app"]

app = typer.Typer(
    help="Manage the models of a catalog: list, fit, quantize, calibrate, build, switch, roll back, and more.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command("list")
def list_(shop: Place, json: Json = False) -> None:
    """List the models of a catalog and their state."""
    with at(shop) as catalog:
        info = catalog.info()
    if json:
        print_json({name: info[name] for name in ("model", "previous", "models")})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("model", "encoder", "fitted", "state"):
        table.add_column(name)
    for name, model in info["models"].items():
        state = "active" if name == info["model"] else "built" if model["ready"] else "incomplete"
        table.add_row(name, model["encoder"], "yes" if model["adapted"] else "no", state)
    out.print(table)


@app.command()
def fit(
    shop: Place,
    photos: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER|TABLE",
            help="Photos of shoppers: a folder (unlabeled), or a CSV with picture and product. Repeatable.",
        ),
    ] = None,
    stored_photos: Annotated[
        bool, typer.Option("--stored-photos", help="Also fit to the stored query photos.")
    ] = False,
) -> None:
    """Fit an adapter to the catalog's pictures, build its space beside the active one, and switch.

    Photos of shoppers improve it: ten unlabeled ones help, labeled ones help most.
    """
    if photos:
        name = _fit_to(photos, folder_of(shop, "model fit --photos"), stored_photos)
    else:
        with at(shop) as catalog, progress_bar("fitting") as progress:
            name = catalog.models.fit(stored_photos=stored_photos, progress=progress)
    out.print(f"{name} is active. Undo: snapfind model rollback {shop}")


def _fit_to(sources: Sequence[Path], shop: Path, stored_photos: bool) -> str:
    photos: list[Path] = []
    labeled: list[tuple[Path, str]] = []
    for source in sources:
        if not source.exists():
            raise BadInput(f"No such folder or table: {source}. Give a folder of photos, or a CSV of labeled photos.")
        found = list(find_media_files(source)) if source.is_dir() else _read_labels(source)
        if not found:
            raise BadInput(f"No pictures in {source}. Give a folder of photos, or a CSV of labeled photos.")
        photos += (one for one in found if isinstance(one, Path))
        labeled += (one for one in found if not isinstance(one, Path))
    failures: list[str] = []
    with snapfind.open(shop, create=False) as catalog, progress_bar("fitting") as progress:
        name = catalog.models.fit(
            photos, labeled, stored_photos=stored_photos, refused=failures.append, progress=progress
        )
    for failure in failures[:10]:
        err.print(failure, markup=False)
    if failures:
        err.print(f"{len(failures):,} photo(s) could not be read and were skipped.")
    return name


@app.command()
def calibrate(
    shop: Place,
    pairs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv", help="CSV of at least 30 labeled photos with the columns picture and product."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Calibrate scores and thresholds on the catalog's pictures, or on labeled photos."""
    labeled = _read_labels(pairs) if pairs else None
    with (
        snapfind.open(folder_of(shop, "model calibrate"), create=False) as catalog,
        progress_bar("calibrating") as progress,
    ):
        calibration = catalog.models.calibrate(labeled, progress=progress)
    if json:
        print_json(calibration)
    else:
        photos, categories = calibration["photos"], calibration["categories"]
        out.print(f"calibrated from {calibration['from']}: {photos:,} photos, {categories:,} categories")


def _read_labels(table: Path) -> list[tuple[Path, str]]:
    queries, failures = read_queries(table)
    for failure in failures[:10]:
        err.print(failure, markup=False)
    return [(query.photo, min(query.products)) for query in queries if query.photo is not None]


@app.command()
def build(shop: Place, encoder: Annotated[str, typer.Argument(help="lite0 or lite2.")]) -> None:
    """Build the space of another encoder beside the active one. Resumes when interrupted."""
    with at(shop) as catalog, progress_bar("building") as progress:
        name = catalog.models.build(encoder, progress=progress)
    out.print(f"{name} is built. To use it: snapfind model switch {shop} {name}")


@app.command()
def read(shop: Place) -> None:
    """Read the text in pictures that were added without reading it (extra `ocr`). Resumes when interrupted."""
    with (
        snapfind.open(folder_of(shop, "model read"), create=False) as catalog,
        progress_bar("reading") as progress,
    ):
        count = catalog.models.read_texts(progress=progress)
    out.print(f"Text of {count:,} picture(s) was read.")


@app.command()
def switch(shop: Place, model: str) -> None:
    """Make another built model the active one."""
    with at(shop) as catalog:
        catalog.models.switch(model)
    out.print(f"{model} is active")


@app.command()
def rollback(shop: Place) -> None:
    """Switch back to the previous model."""
    with at(shop) as catalog:
        name = catalog.models.rollback()
    out.print(f"{name} is active")


@app.command("try")
def try_(
    shop: Place,
    model: Annotated[str, typer.Argument(metavar="MODEL|none", help="A built model, or none to stop the experiment.")],
    share: Annotated[float, typer.Option(help="Fraction of the photo searches in the experiment, up to 1.")] = 0.1,
) -> None:
    """Compare a built model with the active one by interleaving their results in a fraction of the photo searches.

    Clicks decide which one is better.
    """
    with at(shop) as catalog:
        catalog.models.try_out(None if model == "none" else model, share)
    started = f"Experiment with {model} started. End it with: snapfind flywheel conclude"
    out.print("No experiment is running." if model == "none" else started)


@app.command()
def delete(shop: Place, model: str) -> None:
    """Delete a model and its vectors. The active model and one in an experiment cannot be deleted."""
    with at(shop) as catalog:
        catalog.models.delete(model)
    out.print(f"{model} is deleted")


@app.command("text-to-image")
def text_to_image(
    shop: Place,
    source: Annotated[str, typer.Argument(metavar="conse|FOLDER", help="Artifact of train lit, or conse.")],
) -> None:
    """Choose how text finds products without a title: by a trained text-to-image space, or by ConSE (the default)."""
    folder = folder_of(shop, "model text-to-image")
    with snapfind.open(folder, create=False) as catalog, progress_bar("building") as progress:
        name = catalog.models.use_text_to_image(None if source == "conse" else source, progress=progress)
    out.print(f"Text-to-image search uses {name}.")


for command in (quantize, convert, verify, use):
    app.command()(command)
