"""Commands that fine-tune the encoder of a catalog on its pictures, labeled photos, clicks, or a larger encoder."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

import snapfind
from snapfind.catalog.catalog import Catalog
from snapfind.cli.options import Shop
from snapfind.cli.output import err, out, progress_bar
from snapfind.cli.train_pretrain import pretrain, print_epoch, prompts
from snapfind.cli.train_session import open_session
from snapfind.core.errors import BadInput
from snapfind.evaluation.queries import read_queries
from snapfind.training.distributed import ranks
from snapfind.training.requirements import need_torch

__all__ = ["Ids", "Photos", "Root", "Seed", "Yes", "app", "train_clicks"]

app = typer.Typer(
    help="Train a better encoder for a catalog. Requires the extra `train`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
Photos = Annotated[
    Path | None, typer.Option(metavar="TABLE", help="CSV of labeled photos with the columns picture and product.")
]


Root = Annotated[Path | None, typer.Option(help="Folder that the picture paths of the table are relative to.")]
Depth = Annotated[
    Literal["heads", "blocks"],
    typer.Option(help="What to train: two heads on frozen features, or also the last five blocks."),
]
Part = Annotated[
    float | None,
    typer.Option(
        help="Interpolation between pretrained (0) and fine-tuned (1) weights (WiSE-FT). Default: 0.6, or 1 for heads.",
        min=0.1,
        max=1,
    ),
]
Seed = Annotated[int, typer.Option(help="Random seed.")]
Yes = Annotated[bool, typer.Option("--yes", help="Switch to the trained model without asking.")]


@app.callback()
def require_one_process(context: typer.Context) -> None:
    """Check that only `pretrain` runs in several processes.

    Raises:
        BadInput: Another command was started by torchrun with several ranks.
    """
    command = context.invoked_subcommand
    if command != "pretrain":
        with ranks("cpu") as group:
            if group.count > 1:
                raise BadInput(f"train {command} runs in a single process. Start it without torchrun.")


@app.command()
def catalog(
    shop: Shop,
    photos: Photos = None,
    root: Root = None,
    depth: Annotated[
        Literal["heads", "blocks", "network"],
        typer.Option(
            help="What to train: two heads on frozen features, also the last five blocks, or the whole network."
        ),
    ] = "blocks",
    backbone: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Fine-tune another network than the bundled one: folder of a timm or transformers model, or"
            " ARCHITECTURE@FILE with a timm architecture and its safetensors file.",
        ),
    ] = None,
    minutes: Annotated[float, typer.Option(help="Approximate time budget in minutes. 0: no limit.")] = 0,
    part: Part = None,
    seed: Seed = 0,
    yes: Yes = False,
) -> None:
    """Fine-tune the encoder on the catalog's pictures and, if given, labeled photos. Resumes when interrupted."""
    need_torch()
    from dataclasses import replace

    from snapfind.training.checkpoint import fingerprint
    from snapfind.training.export import SHIPPED
    from snapfind.training.methods.catalog_adaptation import adapt, within

    with open_session(shop, photos, root, backbone=backbone) as session:
        step = within(depth, minutes, session.samples, seed)
        step = replace(step, alpha=part or step.alpha)
        other = f" --backbone {backbone}" if backbone else ""
        command = (
            f"snapfind train catalog --depth {depth}{other} --minutes {minutes:g} --part {step.alpha:g} --seed {seed}"
        )
        name = f"{depth}-{fingerprint(backbone)}" if backbone else depth
        session.offer(
            lambda progress: adapt(
                session.samples,
                session.work / name,
                session.work / f"views-{name}" if backbone else session.work,
                depth=depth,
                step=step,
                parent=backbone or SHIPPED,
                command=command,
                progress=progress,
                on_epoch=print_epoch,
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
    """Train with one class per product: InfoNCE, then prototype softmax, then ArcFace."""
    need_torch()
    from snapfind.training.methods.catalog_adaptation import LADDER
    from snapfind.training.methods.identity import identify

    part = part or LADDER[depth].alpha
    command = f"snapfind train identity --depth {depth} --part {part:g} --seed {seed}"
    with open_session(shop, photos, root) as session:
        folder = session.work / f"identity-{depth}"
        session.offer(
            lambda progress: identify(
                session.samples,
                folder,
                session.work / f"views-{depth}",
                depth=depth,
                alpha=part,
                seed=seed,
                command=command,
                progress=progress,
                on_epoch=print_epoch,
            ),
            yes=yes,
        )


Ids = Annotated[int, typer.Option(help="Number of virtual ID classes. 0: one per three clicked products.")]


@app.command()
def clicks(
    shop: Shop,
    photos: Annotated[
        Path, typer.Option(metavar="TABLE", help="CSV of labeled photos with the columns picture and product.")
    ],
    root: Root = None,
    ids: Ids = 0,
    seed: Seed = 0,
    yes: Yes = False,
) -> None:
    """Train on virtual IDs: classes of products that are clicked for the same photos in the event log.

    Requires labeled photos. Without any, search did not improve in our measurements: see `snapfind lab clicks`.
    """
    train_clicks(shop, photos, root, ids=ids, seed=seed, yes=yes)


def train_clicks(shop: Path, photos: Path | None, root: Path | None, *, ids: int, seed: int, yes: bool) -> None:
    """Train on the event log, with labeled photos or without.

    Args:
        shop: Folder of the catalog.
        photos: CSV of labeled photos with the columns picture and product, or None.
        root: Folder that the picture paths of the CSV are relative to. None: the folder of the CSV.
        ids: Number of virtual ID classes. 0: one per three clicked products.
        seed: Random seed.
        yes: Switch to the trained model without asking.
    """
    need_torch("sklearn")
    from dataclasses import replace

    from snapfind.training.methods.clicks import TRAINING, from_log, searches_of

    with open_session(shop, photos, root) as session:
        numbers = {product: number for number, product in enumerate(session.products)}
        searches = searches_of(session.opened.events.read(), numbers)
        clicked = sum(len(search.clicked) for search in searches)
        err.print(f"{len(searches):,} searches with {clicked:,} clicks on products of the catalog")
        session.offer(
            lambda progress: from_log(
                session.samples,
                searches,
                session.work / "clicks",
                session.work / "views-heads",
                training=replace(TRAINING, seed=seed),
                count=ids,
                command=f"snapfind {'train' if photos else 'lab'} clicks --ids {ids} --seed {seed}",
                progress=progress,
                on_epoch=print_epoch,
            ),
            yes=yes,
        )


@app.command()
def distill(
    shop: Shop,
    teacher: Annotated[str, typer.Option(help="Teacher encoder: lite2, or the folder of an artifact.")],
    photos: Photos = None,
    root: Root = None,
    depth: Depth = "heads",
    seed: Seed = 0,
    yes: Yes = False,
) -> None:
    """Distill a larger encoder (teacher) into the small one. Labels of photos are used for validation only."""
    need_torch()
    from snapfind.encoders.image.efficientnet import Builtin
    from snapfind.training.methods.distillation import distill as teach
    from snapfind.training.methods.distillation import within

    command = f"snapfind train distill --teacher {teacher} --depth {depth} --seed {seed}"
    larger = Builtin.load(teacher)
    with open_session(shop, photos, root) as session:
        folder = session.work / f"distill-{depth}"
        session.offer(
            lambda progress: teach(
                session.samples,
                larger,
                folder,
                session.work / f"views-{depth}",
                depth=depth,
                step=within(depth, 0, seed),
                command=command,
                progress=progress,
                on_epoch=print_epoch,
            ),
            yes=yes,
        )


@app.command()
def lit(
    shop: Shop,
    queries: Annotated[
        Path, typer.Option(metavar="TABLE", help="CSV of labeled text queries with the columns text and product.")
    ],
    seed: Seed = 0,
    yes: Yes = False,
) -> None:
    """Train a text-to-image space on titles (LiT), to find products without a title by text.

    The text queries choose its weight against ConSE.
    """
    need_torch()
    with snapfind.open(shop, create=False) as opened:
        _train_text_to_image(opened, shop, queries, seed=seed, yes=yes)


def _train_text_to_image(opened: Catalog, shop: Path, table: Path, *, seed: int, yes: bool) -> None:
    """Train, print the metrics of both methods, and switch if the trained one is better and the user agrees."""
    from snapfind.training.methods.lit_titles import train_on_titles

    queries, failures = read_queries(table)
    for failure in failures[:10]:
        err.print(failure, markup=False)
    folder = opened.folder.path / "train" / "lit"
    labeled = [(query.text, min(query.products)) for query in queries if query.text is not None]
    with progress_bar("encoding") as progress:
        result = train_on_titles(opened, labeled, folder, seed=seed, progress=progress)
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "recall@1", "recall@5", "mrr"):
        grid.add_column(column)
    for name, metrics in (("ConSE", result.conse), (f"LiT, weight {result.share:g}", result.learned)):
        grid.add_row(name, *(f"{value:.3f}" for value in (metrics.at_1, metrics.at_5, metrics.mrr)))
    out.print(f"{result.queries:,} queries for products whose titles were held out (one fifth of {result.titles:,})")
    out.print(grid)
    if not result.share:
        out.print("ConSE alone is best on these queries. Nothing was changed.")
    elif yes or (sys.stdin.isatty() and typer.confirm("Use it for text queries now?", default=True)):
        with progress_bar("building") as progress:
            name = opened.models.use_text_to_image(folder, progress=progress)
        out.print(f"{name} now finds products without a title. Undo: snapfind model text-to-image {shop} conse")
    else:
        out.print(f"Nothing was changed. To use it: snapfind model text-to-image {shop} {folder}")


app.command()(prompts)
app.command()(pretrain)
