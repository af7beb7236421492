"""The verb that learns: from the catalogue's pictures, and from photos whose products are known."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

import snapfind
from snapfind.catalog.catalog import Catalog
from snapfind.cli.options import Shop
from snapfind.cli.printing import err, out, progress_bar
from snapfind.errors import ExtraMissing
from snapfind.evaluate.metrics import METRICS
from snapfind.evaluate.queries import Asked, read_queries
from snapfind.evaluate.report import Report, compare
from snapfind.evaluate.run import run

if TYPE_CHECKING:
    from snapfind.learn.training import Told

__all__ = ["app", "need_torch"]

app = typer.Typer(
    help="Learn a better encoder for a catalogue (needs the extra: pip install 'snapfind[learn]').",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Photos = Annotated[
    Path | None, typer.Option(metavar="TABLE", help="A CSV with picture and product: shoppers' photos, labelled.")
]


@app.command()
def catalogue(
    shop: Shop,
    photos: Photos = None,
    root: Annotated[Path | None, typer.Option(help="Folder that picture names of the table start from.")] = None,
    depth: Annotated[
        Literal["heads", "blocks", "network"],
        typer.Option(help="What learns: two heads on frozen features, the last five blocks too, or everything."),
    ] = "blocks",
    minutes: Annotated[float, typer.Option(help="About how long it may take; 0 as long as it needs.")] = 0,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    yes: Annotated[bool, typer.Option("--yes", help="Switch to the learnt model without asking.")] = False,
) -> None:
    """Adapt the encoder to the catalogue: its pictures, and photos where there are any; interrupted, it goes on."""
    need_torch()
    from snapfind.learn.catalogue import adapt, within
    from snapfind.learn.gather import gather

    asked, failed = read_queries(photos, root) if photos else ([], [])
    labelled = [(one, one.photo, min(one.products)) for one in asked if one.photo is not None]
    with snapfind.open(shop, create=False) as opened:
        shown, _, used = gather(opened, [(photo, product) for _, photo, product in labelled])
        err.print(f"{len(used)} of {len(asked) + len(failed)} photos can be used; {len(opened)} products")
        for sentence in failed[:10]:
            err.print(sentence, markup=False)
        work = opened.folder.path / "learn"
        command = f"snapfind learn catalogue --depth {depth} --minutes {minutes:g} --seed {seed}"
        with progress_bar("looking") as progress:
            step = within(depth, minutes, len(shown), seed)
            found = adapt(
                shown, work / depth, work, depth=depth, step=step, command=command, progress=progress, told=_tell
            )
        held = {used[place] for place in found.held}
        _offer(opened, found.folder, [one for one, photo, _ in labelled if photo in held], yes=yes)


def need_torch() -> None:
    """Raises ExtraMissing."""
    if not (find_spec("torch") and find_spec("onnx")):
        raise ExtraMissing("learning needs PyTorch and onnx: pip install 'snapfind[learn]'")


def _tell(told: "Told") -> None:
    score = "" if told.score is None else f"  fine@1 {told.score:.3f} on what is held out"
    err.print(f"epoch {told.epoch}/{told.epochs}  loss {told.loss:.3f}  {told.speed:,.0f} pictures/s{score}")


def _offer(opened: Catalog, artifact: Path, held: list[Asked], *, yes: bool) -> None:
    """Builds the new space beside the old one, shows what it changes, and switches if that is wanted."""
    before, old = (run(opened, held)[0], opened.info()["model"])
    with progress_bar("building") as progress:
        name = opened.adopt(artifact, progress=progress)
    opened.switch(name)
    after = run(opened, held)[0]
    if held:
        _print(Report(tuple(before)), Report(tuple(after)))
    else:
        out.print("no photo was held out, so nothing tells how shoppers' photos fare; measure with: snapfind eval")
    if name == old or yes or (sys.stdin.isatty() and typer.confirm(f"let {name} answer from now on?", default=True)):
        out.print(f"{name} answers now; go back with: snapfind model rollback SHOP")
    else:
        opened.switch(old)
        out.print(f"{name} is built; let it answer with: snapfind model switch SHOP {name}")


def _print(before: Report, after: Report) -> None:
    """Both runs and their difference, on photos that nothing was learnt from."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "before", "after", "difference", "p"):
        grid.add_column(name)
    old, new, changes = before.figures("product"), after.figures("product"), compare(after, before)
    for name in METRICS:
        change = changes[name]
        grid.add_row(name, str(old[name]), str(new[name]), f"{change.mean:+.3f}", f"{change.p:.3f}")
    out.print(f"{len(before.answered):,} photos that were held out; means with 95 % bootstrap intervals")
    out.print(grid)
