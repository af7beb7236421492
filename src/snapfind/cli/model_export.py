"""Commands for custom encoders: convert, verify, use."""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from PIL.Image import Image
from rich.table import Table

import snapfind
from snapfind.catalog.models.encoder_files import cached_artifact
from snapfind.catalog.storage.stored_pictures import stored_picture
from snapfind.cli.options import Json, Shop
from snapfind.cli.output import err, out, print_json, progress_bar
from snapfind.core.artifact import artifact_kind, read_manifest
from snapfind.core.errors import NotFound
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.image.onnx_tower import KIND, Tower

if TYPE_CHECKING:
    from snapfind.catalog.catalog import Catalog

__all__ = ["convert", "use", "verify"]

_SAMPLE = 200  # pictures of the catalog that a report compares
Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE", help="Folder of a model, org/name on the Hugging Face Hub, or ARCHITECTURE@TAG of open_clip."
    ),
]
Precision = Annotated[
    Literal["fp32", "fp16", "int8"],
    typer.Option(
        help="fp16: half the size, same speed. int8: a quarter of the size, faster, slightly different results."
    ),
]


def convert(
    source: Source,
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="New folder for the artifact.")],
    precision: Precision = "fp16",
    report: Annotated[
        Path | None, typer.Option(metavar="SHOP", help="Also compare nearest neighbors of this catalog's pictures.")
    ] = None,
    json: Json = False,
) -> None:
    """Convert your own model to an ONNX artifact that runs without PyTorch. Requires the extra `convert`."""
    from snapfind.convert.requirements import need_convert

    need_convert()
    from snapfind.convert.convert import convert as make
    from snapfind.convert.convert import neighbors

    images = _sample_pictures(report) if report else []
    result = make(source, target, precision, err.print)
    facts = result.facts
    if images:
        with progress_bar("encoding") as progress:
            facts |= neighbors(result, images, progress)
    if json:
        print_json(facts)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value))
    out.print(table)
    out.print(f"To use it: snapfind model use SHOP {target}")


def _sample_pictures(shop: Path) -> list[Image]:
    """Load stored pictures in order of point id. Ids are hashes, so this is a random sample."""
    with snapfind.open(shop, create=False) as catalog:
        points = itertools.islice(catalog.points(), _SAMPLE)
        images = [stored_picture(catalog.folder, point.id, catalog.settings) for point in points]
    return [image for image in images if image is not None]


def verify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Artifact of model convert, quantize or train.")],
) -> None:
    """Verify an artifact: checksums, preprocessing, and embeddings of the golden inputs."""
    kind = artifact_kind(folder)
    if kind not in {KIND, "encoder"}:
        raise NotFound(f"Not an encoder artifact: {folder} has no manifest.json of an encoder.")
    encoder = Tower.load(folder, checked=4) if kind == KIND else Builtin.load(str(folder), checked=4)
    manifest = read_manifest(folder, remedy="make it again")
    modalities = "pictures and texts" if encoder.words else "pictures only"
    origin = manifest["source"]["kind"] if kind == KIND else manifest["parent"]
    out.print(f"{folder} is valid: {encoder.name}, {modalities}, {encoder.space.dim} dimensions, from {origin}")
    prep = encoder.preprocessing
    out.print(f"preprocessing: {prep.resize} to {prep.scaled or prep.side}, {prep.side} pixels a side")


def use(
    shop: Shop,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="Artifact of model convert, quantize or train, or a source that model convert takes."
        ),
    ],
    precision: Precision = "fp16",
) -> None:
    """Switch to your own model: convert it if needed and build its space. Resumes when run again."""
    with snapfind.open(shop, create=False) as catalog, progress_bar("building") as progress:
        if artifact_kind(Path(source)):
            name = catalog.models.use(source, progress=progress)
        else:
            name = _convert_and_use(catalog, source, precision, progress)
    out.print(f"{name} is active. Undo: snapfind model rollback {shop}")


def _convert_and_use(catalog: "Catalog", source: str, precision: str, progress: Callable[[int, int], None]) -> str:
    """Convert a model and use it. An artifact of the same weights in the catalog is reused."""
    from snapfind.convert.requirements import need_convert

    need_convert()
    from snapfind.convert.convert import convert as make
    from snapfind.convert.convert import source_of

    if cached := cached_artifact(catalog.folder, source_of(source), precision):
        return catalog.models.use(cached, progress=progress)
    artifact = catalog.folder.encoder("converted")
    shutil.rmtree(artifact, ignore_errors=True)
    make(source, artifact, precision, err.print)
    name = catalog.models.use(artifact, progress=progress)
    shutil.rmtree(artifact)
    return name
