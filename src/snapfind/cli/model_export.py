"""The verbs that bring a shop's own encoder in: convert, verify, use."""

import itertools
import json as json_
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from PIL.Image import Image
from rich.table import Table

import snapfind
from snapfind.catalog.models.encoder_files import kept_from
from snapfind.catalog.models.registry import copied
from snapfind.cli.options import Json, Shop
from snapfind.cli.output import err, out, print_json, progress_bar
from snapfind.core.errors import NotFound
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.image.onnx_tower import KIND, Tower
from snapfind.encoders.registry import kind_of

if TYPE_CHECKING:
    from snapfind.catalog.catalog import Catalog

__all__ = ["convert", "use", "verify"]

_SAMPLE = 200  # pictures of the shop that a report looks at
Source = Annotated[
    str,
    typer.Argument(metavar="SOURCE", help="A model's folder, org/name of the hub, or ARCHITECTURE@TAG of open_clip."),
]
Precision = Annotated[
    Literal["fp32", "fp16", "int8"],
    typer.Option(help="fp16: half the size, as fast; int8: a quarter, faster, its answers a little otherwise."),
]


def convert(
    source: Source,
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the artifact goes; a new folder.")],
    precision: Precision = "fp16",
    report: Annotated[
        Path | None, typer.Option(metavar="SHOP", help="Compare the neighbours of this catalogue's pictures too.")
    ] = None,
    json: Json = False,
) -> None:
    """Make an encoder of your own model that serves without PyTorch (extra convert)."""
    from snapfind.convert.requirements import need_convert

    need_convert()
    from snapfind.convert.convert import convert as make
    from snapfind.convert.convert import neighbours

    images = _pictures(report) if report else []
    made = make(source, target, precision, err.print)
    facts = made.facts
    if images:
        with progress_bar("looking") as progress:
            facts |= neighbours(made, images, progress)
    if json:
        print_json(facts)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value))
    out.print(table)
    out.print(f"let it answer with: snapfind model use SHOP {target}")


def _pictures(shop: Path) -> list[Image]:
    """The kept copies of some points, in order of point id, which is as good as drawn at random."""
    with snapfind.open(shop, create=False) as catalogue:
        points = itertools.islice(catalogue.points(), _SAMPLE)
        found = [copied(catalogue.folder, point.id, catalogue.settings) for point in points]
    return [image for image in found if image is not None]


def verify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="An artifact of model convert, quantise or learn.")],
) -> None:
    """Check an artifact: files against their sums, preprocessing, and the answers to drawn pictures and texts."""
    kind = kind_of(folder)
    if kind not in {KIND, "encoder"}:
        raise NotFound(f"{folder} is no artifact of an encoder: it has no manifest.json of one")
    encoder = Tower.load(folder, checked=4) if kind == KIND else Builtin.load(str(folder), checked=4)
    told = json_.loads((folder / "manifest.json").read_bytes())
    said = "pictures and texts" if encoder.words else "pictures only"
    origin = told["source"]["kind"] if kind == KIND else told["parent"]
    out.print(f"{folder} is whole: {encoder.name}, {said}, {encoder.space.dim} numbers, from {origin}")
    own = encoder.preprocessing
    out.print(f"pictures are prepared as then: {own.resize} to {own.scaled or own.side}, {own.side} pixels a side")


def use(
    shop: Shop,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="An artifact of model convert, quantise or learn, or what model convert takes."
        ),
    ],
    precision: Precision = "fp16",
) -> None:
    """Let your own model answer: convert it where needed, build its space beside, switch; run again to go on."""
    with snapfind.open(shop, create=False) as catalogue, progress_bar("building") as progress:
        if kind_of(Path(source)):
            name = catalogue.use(source, progress=progress)
        else:
            name = _converted(catalogue, source, precision, progress)
    out.print(f"{name} answers now; go back with: snapfind model rollback {shop}")


def _converted(catalogue: "Catalog", source: str, precision: str, progress: Callable[[int, int], None]) -> str:
    """Converts once: what the catalogue keeps of these very weights is taken up again."""
    from snapfind.convert.requirements import need_convert

    need_convert()
    from snapfind.convert.convert import convert as make
    from snapfind.convert.convert import source_of

    if kept := kept_from(catalogue.folder, source_of(source), precision):
        return catalogue.use(kept, progress=progress)
    artifact = catalogue.folder.encoder("converted")
    shutil.rmtree(artifact, ignore_errors=True)
    make(source, artifact, precision, err.print)
    name = catalogue.use(artifact, progress=progress)
    shutil.rmtree(artifact)
    return name
