"""What every verb of learning does with a catalogue: gather before, build, show and offer the switch after."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table

import snapfind
from snapfind.catalog.catalog import Catalog
from snapfind.cli.output import err, out, progress_bar
from snapfind.core.errors import BadInput
from snapfind.evaluation.metrics import METRICS
from snapfind.evaluation.queries import Asked, read_queries
from snapfind.evaluation.report import Report, compare
from snapfind.evaluation.run import run

if TYPE_CHECKING:
    from snapfind.training.adaptation_run import Adapted
    from snapfind.training.data.augmentation import Shown

__all__ = ["Lesson", "lesson_of"]


@dataclass(frozen=True)
class Lesson:
    """An open catalogue, what there is to learn from, and the labelled photos by their files."""

    opened: Catalog
    shown: "list[Shown]"
    products: list[str]
    used: list[Path]
    labelled: dict[Path, Asked]

    @property
    def work(self) -> Path:
        """Where maps, checkpoints and artifacts are kept."""
        return self.opened.folder.path / "learn"

    def offer(self, learn: "Callable[[Callable[[int, int], None]], Adapted]", *, yes: bool) -> None:
        """Learns, then builds, shows and switches."""
        with progress_bar("looking") as progress:
            found = learn(progress)
        held = {self.used[place] for place in found.held}
        _offer(self.opened, found.folder, [one for photo, one in self.labelled.items() if photo in held], yes=yes)


@contextmanager
def lesson_of(shop: Path, photos: Path | None, root: Path | None) -> Iterator[Lesson]:
    """Opens the catalogue and gathers its pictures and the labelled photos. Raises BadInput, NotFound."""
    from snapfind.training.data.samples import gather

    asked, failed = read_queries(photos, root) if photos else ([], [])
    labelled = {one.photo: one for one in asked if one.photo is not None}
    with snapfind.open(shop, create=False) as opened:
        _teachable(opened)
        shown, products, used = gather(opened, [(photo, min(one.products)) for photo, one in labelled.items()])
        err.print(f"{len(used)} of {len(asked) + len(failed)} photos can be used; {len(opened)} products")
        for sentence in failed[:10]:
            err.print(sentence, markup=False)
        yield Lesson(opened, shown, products, used, labelled)


def _teachable(opened: Catalog) -> None:
    """Says where learning begins. Raises BadInput where a model answers that is none of ours."""
    active = opened.info()["model"]
    entry = opened.folder.manifest.models[active]
    if entry.precision == "int8":
        err.print(
            f"{active} is in 8 bits: learning begins at the shipped network in full precision; put what was learnt into"
            f" 8 bits with: snapfind model quantise {opened.folder.path}"
        )
    if entry.kind == "converted":
        raise BadInput(
            f"{active} is your own model, which is adapted to the catalogue by: snapfind model fit; learning teaches"
            " the shipped network, so switch to a model of that first"
        )


def _offer(opened: Catalog, artifact: Path, held: list[Asked], *, yes: bool) -> None:
    """Builds the new space beside the old one, shows what it changes, and switches if that is wanted."""
    before, old = (run(opened, held)[0], opened.info()["model"])
    with progress_bar("building") as progress:
        name = opened.adopt(artifact, progress=progress)
    after = run(opened, held, model=name)[0]
    if held:
        _print(Report(tuple(before)), Report(tuple(after)))
    else:
        out.print("no photo was held out, so nothing tells how shoppers' photos fare; measure with: snapfind eval")
    if name == old or yes or (sys.stdin.isatty() and typer.confirm(f"let {name} answer from now on?", default=True)):
        opened.switch(name)
        out.print(f"{name} answers now; go back with: snapfind model rollback SHOP")
    else:
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
