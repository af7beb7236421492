"""The verbs that adapt a catalogue's encoder: from its pictures, labelled photos, clicks, or a larger encoder."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

import snapfind
from snapfind.catalog.catalog import Catalog
from snapfind.cli.options import Shop
from snapfind.cli.pretraining import need_torch, pretrain, prompts, tell
from snapfind.cli.printing import err, out, progress_bar
from snapfind.evaluate.metrics import METRICS
from snapfind.evaluate.queries import Asked, read_queries
from snapfind.evaluate.report import Report, compare
from snapfind.evaluate.run import run

if TYPE_CHECKING:
    from snapfind.learn.course import Adapted
    from snapfind.learn.views import Shown

__all__ = ["app", "need_torch"]

app = typer.Typer(
    help="Learn a better encoder for a catalogue (needs the extra: pip install 'snapfind[learn]').",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Photos = Annotated[
    Path | None, typer.Option(metavar="TABLE", help="A CSV with picture and product: shoppers' photos, labelled.")
]


Root = Annotated[Path | None, typer.Option(help="Folder that picture names of the table start from.")]
Depth = Annotated[
    Literal["heads", "blocks"],
    typer.Option(help="What learns: two heads on frozen features, or the last five blocks too."),
]
Seed = Annotated[int, typer.Option(help="Of everything that is drawn.")]
Yes = Annotated[bool, typer.Option("--yes", help="Switch to the learnt model without asking.")]


@app.command()
def catalogue(
    shop: Shop,
    photos: Photos = None,
    root: Root = None,
    depth: Annotated[
        Literal["heads", "blocks", "network"],
        typer.Option(help="What learns: two heads on frozen features, the last five blocks too, or everything."),
    ] = "blocks",
    minutes: Annotated[float, typer.Option(help="About how long it may take; 0 as long as it needs.")] = 0,
    seed: Seed = 0,
    yes: Yes = False,
) -> None:
    """Adapt the encoder to the catalogue: its pictures, and photos where there are any; interrupted, it goes on."""
    need_torch()
    from snapfind.learn.catalogue import adapt, within

    command = f"snapfind learn catalogue --depth {depth} --minutes {minutes:g} --seed {seed}"
    with _lesson(shop, photos, root) as lesson:
        step = within(depth, minutes, len(lesson.shown), seed)
        lesson.offer(
            lambda progress: adapt(
                *(lesson.shown, lesson.work / depth, lesson.work),
                depth=depth,
                step=step,
                command=command,
                progress=progress,
                told=tell,
            ),
            yes=yes,
        )


@app.command()
def identity(
    shop: Shop, photos: Photos = None, root: Root = None, depth: Depth = "heads", seed: Seed = 0, yes: Yes = False
) -> None:
    """Make every product a class of its own, in three stages: contrast, prototypes, angles."""
    need_torch()
    from snapfind.learn.identify import identify

    command = f"snapfind learn identity --depth {depth} --seed {seed}"
    with _lesson(shop, photos, root) as lesson:
        folder = lesson.work / f"identity-{depth}"
        lesson.offer(
            lambda progress: identify(
                *(lesson.shown, folder, lesson.work / f"views-{depth}"),
                depth=depth,
                seed=seed,
                command=command,
                progress=progress,
                told=tell,
            ),
            yes=yes,
        )


@app.command()
def clicks(
    shop: Shop,
    photos: Photos = None,
    root: Root = None,
    ids: Annotated[int, typer.Option(help="How many Virtual IDs; 0 one for every three products clicked.")] = 0,
    seed: Seed = 0,
    yes: Yes = False,
) -> None:
    """Learn from what shoppers clicked, as the event log has it; no session and no text is read."""
    need_torch()
    from dataclasses import replace

    from snapfind.learn.log import PLAN, from_log, searches_of

    with _lesson(shop, photos, root) as lesson:
        numbers = {product: number for number, product in enumerate(lesson.products)}
        searches = searches_of(lesson.opened.events.read(), numbers)
        err.print(f"{len(searches):,} searches with a click on a product that is still there")
        lesson.offer(
            lambda progress: from_log(
                *(lesson.shown, searches, lesson.work / "clicks", lesson.work / "views-heads"),
                plan=replace(PLAN, seed=seed),
                count=ids,
                command=f"snapfind learn clicks --ids {ids} --seed {seed}",
                progress=progress,
                told=tell,
            ),
            yes=yes,
        )


@app.command()
def distill(
    shop: Shop,
    teacher: Annotated[str, typer.Option(help="The larger encoder: lite2, or the folder of an artifact.")],
    photos: Photos = None,
    root: Root = None,
    depth: Depth = "heads",
    seed: Seed = 0,
    yes: Yes = False,
) -> None:
    """Teach the small encoder to see as a larger one does; labels of photos only judge."""
    need_torch()
    from snapfind.encoders.builtin import Builtin
    from snapfind.learn.distill import distill as teach
    from snapfind.learn.distill import within

    command = f"snapfind learn distill --teacher {teacher} --depth {depth} --seed {seed}"
    larger = Builtin.load(teacher)
    with _lesson(shop, photos, root) as lesson:
        folder = lesson.work / f"distill-{depth}"
        lesson.offer(
            lambda progress: teach(
                *(lesson.shown, larger, folder, lesson.work / f"views-{depth}"),
                depth=depth,
                step=within(depth, 0, seed),
                command=command,
                progress=progress,
                told=tell,
            ),
            yes=yes,
        )


app.command()(prompts)
app.command()(pretrain)


@dataclass(frozen=True)
class _Lesson:
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
def _lesson(shop: Path, photos: Path | None, root: Path | None) -> Iterator[_Lesson]:
    from snapfind.learn.gather import gather

    asked, failed = read_queries(photos, root) if photos else ([], [])
    labelled = {one.photo: one for one in asked if one.photo is not None}
    with snapfind.open(shop, create=False) as opened:
        shown, products, used = gather(opened, [(photo, min(one.products)) for photo, one in labelled.items()])
        err.print(f"{len(used)} of {len(asked) + len(failed)} photos can be used; {len(opened)} products")
        for sentence in failed[:10]:
            err.print(sentence, markup=False)
        yield _Lesson(opened, shown, products, used, labelled)


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
