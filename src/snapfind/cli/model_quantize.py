"""The verb that puts the encoder of a catalogue into 8 bits: made, built beside, compared, and offered."""

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

__all__ = ["quantise"]


def quantise(
    shop: Place,
    yes: Annotated[bool, typer.Option("--yes", help="Switch to the model in 8 bits without asking.")] = False,
    json: Json = False,
) -> None:
    """Put the encoder that answers into 8 bits: faster, its answers a little otherwise (extra quantise)."""
    from snapfind.convert.requirements import need_onnx

    path = folder_of(shop, "model quantise")
    need_onnx()
    from snapfind.convert.quantize import quantise as make

    with snapfind.open(path, create=False) as opened:
        with tempfile.TemporaryDirectory() as spare, progress_bar("looking") as progress:
            made = make(opened, Path(spare) / "artifact", progress)
            name = opened.adopt(made.folder, progress=progress)
        if json:
            print_json(made.facts)
        else:
            _print(made.facts)
            out.print(f"the artifact lies in {opened.folder.space(name)}")
        if yes or (not json and sys.stdin.isatty() and typer.confirm(f"let {name} answer from now on?", default=True)):
            said = _switched(opened, name, path)
        else:
            said = f"{name} is built; let it answer with: snapfind model switch {shop} {name}"
        if not json:
            out.print(said)


def _switched(opened: "Catalog", name: str, shop: Path) -> str:
    """Switches, with the reranker that the model before has; what to tell of it."""
    before, active = opened.context, opened.info()["model"]
    opened.switch(name)
    if before.reranker is not None:
        opened.rerank("geometry")
    said = f"{name} answers now; go back with: snapfind model rollback {shop}"
    if before.ranker is not None:
        said += "\nits click ranker is to be fitted anew: snapfind rank fit"
    return f"{said}\nadding is as fast once the other is gone: snapfind model drop {shop} {active}"


def _print(facts: dict[str, Any]) -> None:
    """What it costs and what it brings."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "before", "in 8 bits"):
        table.add_column(column, justify="left" if not column else "right")
    table.add_row("pictures a second, decoded ones", *(f"{rate:,.0f}" for rate in facts["pictures_a_second"]))
    table.add_row("one picture", *(f"{taken:.1f} ms" for taken in facts["picture_ms"]))
    table.add_row("its network", *(f"{size / 2**20:.1f} MB" for size in facts["bytes"]))
    out.print(table)
    mean, least = facts["cosine_pictures"]
    out.print(
        f"pictures: cosine {mean:.3f}, least {least:.3f}; {facts['recall_at_10_pictures']:.1%} of ten nearest stay"
    )
    mean, least = facts["cosine_photos"]
    out.print(
        f"photos made of {facts['compared_on']:,} pictures: cosine {mean:.3f}, least {least:.3f};"
        f" {facts['recall_at_10_photos']:.1%} of ten nearest stay, the first of {facts['first_stays']:.1%}"
    )
    out.print("no shopper's photo was asked; measure with yours before and after: snapfind eval")
