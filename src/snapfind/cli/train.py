"""The verbs that adapt a catalogue's encoder: from its pictures, labelled photos, clicks, or a larger encoder."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

import snapfind
from snapfind.catalog.catalog import Catalog
from snapfind.cli.options import Shop
from snapfind.cli.output import err, out, progress_bar
from snapfind.cli.train_pretrain import pretrain, prompts, tell
from snapfind.cli.train_session import lesson_of
from snapfind.core.errors import BadInput
from snapfind.evaluation.queries import read_queries
from snapfind.training.distributed import ranks
from snapfind.training.requirements import need_torch

__all__ = ["app"]

app = typer.Typer(
    help="Learn a better encoder for a catalogue (extra learn).",
    no_args_is_help=True,
    add_completion=False,
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
Part = Annotated[
    float | None,
    typer.Option(
        help="How far the weights move: 1 where no product comes later; by default .6, with heads 1.", min=0.1, max=1
    ),
]
Seed = Annotated[int, typer.Option(help="Of everything that is drawn.")]
Yes = Annotated[bool, typer.Option("--yes", help="Switch to the learnt model without asking.")]


@app.callback()
def alone(context: typer.Context) -> None:
    """Refuses to learn one catalogue in several processes. Raises BadInput."""
    verb = context.invoked_subcommand
    if verb != "pretrain":
        with ranks("cpu") as place:
            if place.count > 1:
                raise BadInput(f"learn {verb} learns in one process; start it without torchrun")


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
    part: Part = None,
    seed: Seed = 0,
    yes: Yes = False,
) -> None:
    """Adapt the encoder to the catalogue: its pictures, and photos where there are any; interrupted, it goes on."""
    need_torch()
    from dataclasses import replace

    from snapfind.training.methods.catalog_adaptation import adapt, within

    with lesson_of(shop, photos, root) as lesson:
        step = within(depth, minutes, lesson.shown, seed)
        step = replace(step, part=part or step.part)
        command = f"snapfind learn catalogue --depth {depth} --minutes {minutes:g} --part {step.part:g} --seed {seed}"
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
    shop: Shop,
    photos: Photos = None,
    root: Root = None,
    depth: Depth = "heads",
    part: Part = None,
    seed: Seed = 0,
    yes: Yes = False,
) -> None:
    """Make every product a class of its own, in three stages: contrast, prototypes, angles."""
    need_torch()
    from snapfind.training.methods.catalog_adaptation import LADDER
    from snapfind.training.methods.identity import identify

    part = part or LADDER[depth].part
    command = f"snapfind learn identity --depth {depth} --part {part:g} --seed {seed}"
    with lesson_of(shop, photos, root) as lesson:
        folder = lesson.work / f"identity-{depth}"
        lesson.offer(
            lambda progress: identify(
                *(lesson.shown, folder, lesson.work / f"views-{depth}"),
                depth=depth,
                part=part,
                seed=seed,
                command=command,
                progress=progress,
                told=tell,
            ),
            yes=yes,
        )


@app.command()
def categories(shop: Shop, photos: Photos = None, root: Root = None, seed: Seed = 0) -> None:
    """Measure whether titles help photos to find products: patches of a picture, words of its title, one classifier."""
    need_torch()
    from dataclasses import replace

    from snapfind.training.methods.category_titles import PLAN, by_titles

    with lesson_of(shop, photos, root) as lesson, progress_bar("looking") as progress:
        titles = {product.id: product.title for product in lesson.opened.products()}
        found = by_titles(
            *(lesson.shown, [titles[product] for product in lesson.products], lesson.opened.model.text),
            *(lesson.work / "categories", lesson.work / "views-patches"),
            plan=replace(PLAN, seed=seed),
            progress=progress,
            told=tell,
        )
    rows = {"raw encoder": found.raw, "learnt, pictures alone": found.pictures, "learnt, and titles": found.titles}
    out.print(f"recall@1 of {found.judged:,} photos that were held out")
    for name, value in rows.items():
        out.print(f"{value:.3f}  {name}")
    out.print("searches stay as they are: products are indexed by their pictures, titles by words and dense text")


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
    need_torch("sklearn")
    from dataclasses import replace

    from snapfind.training.methods.clicks import PLAN, from_log, searches_of

    with lesson_of(shop, photos, root) as lesson:
        numbers = {product: number for number, product in enumerate(lesson.products)}
        searches = searches_of(lesson.opened.events.read(), numbers)
        clicked = sum(len(search.clicked) for search in searches)
        err.print(f"{len(searches):,} searches with {clicked:,} clicks on products that are still there")
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
    from snapfind.encoders.image.efficientnet import Builtin
    from snapfind.training.methods.distillation import distill as teach
    from snapfind.training.methods.distillation import within

    command = f"snapfind learn distill --teacher {teacher} --depth {depth} --seed {seed}"
    larger = Builtin.load(teacher)
    with lesson_of(shop, photos, root) as lesson:
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


@app.command()
def locked(
    shop: Shop,
    queries: Annotated[
        Path, typer.Option(metavar="TABLE", help="A CSV with text and product: what shoppers typed, and meant.")
    ],
    seed: Seed = 0,
    yes: Yes = False,
) -> None:
    """Learn from titles how a text finds the picture of a product without one, where that serves the queries given."""
    need_torch()
    with snapfind.open(shop, create=False) as opened:
        _bridge(opened, shop, queries, seed=seed, yes=yes)


def _bridge(opened: Catalog, shop: Path, table: Path, *, seed: int, yes: bool) -> None:
    """Learns, shows both ways, and switches if that is wanted and anything was gained."""
    from snapfind.training.methods.lit_titles import bridge_titles

    asked, failed = read_queries(table)
    for sentence in failed[:10]:
        err.print(sentence, markup=False)
    folder = opened.folder.path / "learn" / "locked"
    typed = [(one.text, min(one.products)) for one in asked if one.text is not None]
    with progress_bar("reading") as progress:
        found = bridge_titles(opened, typed, folder, seed=seed, progress=progress)
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "recall@1", "recall@5", "mrr"):
        grid.add_column(column)
    for name, own in (("ConSE", found.conse), (f"learnt, share {found.share:g}", found.learnt)):
        grid.add_row(name, *(f"{value:.3f}" for value in (own.at_1, own.at_5, own.mrr)))
    out.print(f"{found.queries:,} queries ask for pictures whose titles were left out, a fifth of {found.titles:,}")
    out.print(grid)
    if not found.share:
        out.print("ConSE alone serves them best: nothing was changed")
    elif yes or (sys.stdin.isatty() and typer.confirm("let it answer from now on?", default=True)):
        with progress_bar("building") as progress:
            name = opened.bridge(folder, progress=progress)
        out.print(f"{name} finds products without a title; go back with: snapfind model bridge {shop} conse")
    else:
        out.print(f"nothing was changed; let it answer with: snapfind model bridge {shop} {folder}")


app.command()(prompts)
app.command()(pretrain)
