"""The command `model quantize`: quantize the active encoder to int8, build its space, compare, offer the switch."""

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

import snapfind
from snapfind.cli.options import Json
from snapfind.cli.output import out, print_json, progress_bar
from snapfind.cli.target import Place, folder_of

if TYPE_CHECKING:
    from snapfind.catalog.catalog import Catalog

__all__ = ["quantize"]


def quantize(
    shop: Place,
    yes: Annotated[bool, typer.Option("--yes", help="Switch to the quantized model without asking.")] = False,
    json: Json = False,
) -> None:
    """Quantize the active encoder to int8: faster, with slightly different results. Requires the extra `quantize`."""
    from snapfind.convert.requirements import need_onnx

    path = folder_of(shop, "model quantize")
    need_onnx()
    from snapfind.convert.quantize import quantize as make

    with snapfind.open(path, create=False) as opened:
        with tempfile.TemporaryDirectory() as temporary, progress_bar("quantizing") as progress:
            result = make(opened, Path(temporary) / "artifact", progress)
            name = opened.models.adopt(result.folder, progress=progress)
        if json:
            print_json(result.facts)
        else:
            _print(result.facts)
            out.print(f"artifact: {opened.folder.space(name)}")
        if yes or (not json and sys.stdin.isatty() and typer.confirm(f"Switch to {name}?", default=True)):
            message = _switch(opened, name, path)
        else:
            message = f"{name} is built. To use it: snapfind model switch {shop} {name}"
        if not json:
            out.print(message)


def _switch(opened: "Catalog", name: str, shop: Path) -> str:
    """Switch to the model, keep the reranker setting, and return the message to print."""
    before, active = opened.context, opened.info()["model"]
    opened.models.switch(name)
    if before.reranker is not None:
        opened.models.use_reranker("geometry")
    message = f"{name} is active. Undo: snapfind model rollback {shop}"
    if before.ranker is not None:
        message += "\nThe click ranker must be trained again: snapfind rank fit"
    return f"{message}\nTo make adding faster, delete the other model: snapfind model delete {shop} {active}"


def _print(facts: dict[str, Any]) -> None:
    """Print speed, size and agreement with the model before."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "before", "int8"):
        table.add_column(column, justify="left" if not column else "right")
    table.add_row("encoding, pictures/s", *(f"{rate:,.0f}" for rate in facts["pictures_a_second"]))
    table.add_row("latency, one picture", *(f"{ms:.1f} ms" for ms in facts["picture_ms"]))
    table.add_row("model size", *(f"{size / 2**20:.1f} MB" for size in facts["bytes"]))
    out.print(table)
    mean, least = facts["cosine_pictures"]
    out.print(
        f"pictures: cosine similarity mean {mean:.3f}, minimum {least:.3f};"
        f" recall of 10 nearest neighbors {facts['recall_at_10_pictures']:.1%}"
    )
    mean, least = facts["cosine_photos"]
    out.print(
        f"synthetic photos of {facts['compared_on']:,} pictures: cosine similarity mean {mean:.3f}, minimum"
        f" {least:.3f}; recall of 10 nearest neighbors {facts['recall_at_10_photos']:.1%},"
        f" same nearest neighbor {facts['first_stays']:.1%}"
    )
    out.print("Real photos were not tested. Compare both models on yours with: snapfind eval")
