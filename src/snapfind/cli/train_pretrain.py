"""Verbs that learn without a catalogue: pairs of picture and title in shards, class names with a user's CLIP."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from snapfind.cli.output import err, hushed, out, progress_bar
from snapfind.core.config import Settings
from snapfind.core.errors import BadInput
from snapfind.evaluation.queries import read_queries
from snapfind.media.image.decode import Limits
from snapfind.training.distributed import ranks
from snapfind.training.requirements import need_torch

if TYPE_CHECKING:
    from snapfind.training.data.webdataset import Shards
    from snapfind.training.distributed import Ranks
    from snapfind.training.loop import Told
    from snapfind.training.methods.pretraining import Recipe

__all__ = ["pretrain", "prompts", "tell"]

Into = Annotated[Path, typer.Option(help="Folder for what is learnt; checkpoints are kept beside it.")]
Seed = Annotated[int, typer.Option(help="Of everything that is drawn.")]


def pretrain(
    shards: Annotated[list[Path], typer.Argument(help="Tar files of KEY.jpg beside KEY.txt.", show_default=False)],
    into: Into,
    locked: Annotated[
        bool, typer.Option("--locked", help="Both towers rest; two maps on their features learn (a laptop's minutes).")
    ] = False,
    loss: Annotated[Literal["sigmoid", "info_nce"], typer.Option(help="SigLIP's loss or CLIP's.")] = "info_nce",
    batch: Annotated[int, typer.Option(min=2, help="Pairs that stand against each other.")] = 256,
    part: Annotated[int, typer.Option(min=0, help="Pairs in memory at a time; 0 all of them.")] = 32,
    hard: Annotated[float, typer.Option(min=0, help="How much more hard negatives weigh; 0 not.")] = 0,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; each ends in a score and a checkpoint.")] = 10,
    steps: Annotated[int, typer.Option(min=1, help="Batches of a round.")] = 100,
    rate: Annotated[float, typer.Option(min=0, help="Peak learning rate.")] = 1e-3,
    held: Annotated[int, typer.Option(min=0, help="Pairs held out to judge.")] = 256,
    target: Annotated[float, typer.Option(help="Pairs whose cost is told.")] = 1e10,
    price: Annotated[float, typer.Option(help="Of a machine like this one, an hour.")] = 1.0,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where the towers learn.")] = "cpu",
    seed: Seed = 0,
) -> None:
    """Learn a space of pictures and texts from pairs in tar shards; interrupted, it goes on.

    On several ranks: torchrun --nproc-per-node 2 -m snapfind learn pretrain ... Each takes its part of the batch.
    """
    need_torch()
    with ranks(device) as place, hushed() if place.number else nullcontext():
        if locked and place.count > 1:
            raise BadInput("--locked learns in one process; start it without torchrun")
        from snapfind.training.data.webdataset import Shards
        from snapfind.training.loop import Plan
        from snapfind.training.methods.pretraining import Recipe, cost

        pairs = Shards(shards, Limits.of(Settings()))
        err.print(f"{len(pairs):,} pairs in {len(shards):,} shards")
        _left_out(pairs.left_out)
        if locked:
            _lock(pairs, into, loss, seed, held)
            return
        plan = Plan(rounds, rate, decay=0.1, seed=seed, device=device)
        recipe = Recipe(plan, loss, batch, part, hard, steps, held)
        speed = _towers(pairs, into, recipe, place)
        out.print(cost(target, speed / place.machines, price))


def prompts(
    model: Annotated[Path, typer.Argument(help="Folder of a model in the CLIP format of transformers.")],
    table: Annotated[Path, typer.Argument(help="A CSV with picture and product, or category: the class.")],
    into: Into,
    method: Annotated[
        Literal["prompts", "lora", "linear"], typer.Option(help="Vectors around names, or adapters by peft.")
    ] = "prompts",
    split: Annotated[
        Literal["closed", "few", "zero"], typer.Option(help="Every class, a few pictures of each, or classes unseen.")
    ] = "closed",
    shots: Annotated[int, typer.Option(min=1, help="Pictures of a class in the split of few.")] = 5,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the pictures.")] = 20,
    rate: Annotated[float, typer.Option(min=0, help="Peak learning rate.")] = 1e-3,
    root: Annotated[Path | None, typer.Option(help="Folder that picture names of the table start from.")] = None,
    seed: Seed = 0,
) -> None:
    """Teach class names to a frozen two-tower model with very few numbers; the model's own files stay as they are."""
    need_torch()
    from snapfind.training.loop import Plan
    from snapfind.training.methods.prompt_classification import classify

    asked, failed = read_queries(table, root, categories=True)
    for sentence in failed[:10]:
        err.print(sentence, markup=False)
    labelled = [(one.photo, one.category or min(one.products)) for one in asked if one.photo is not None]
    with progress_bar("looking") as progress:
        found = classify(
            *(model, labelled, into, method, split, Plan(epochs, rate, decay=0.01, seed=seed)),
            shots=shots,
            progress=progress,
            told=tell,
        )
    for sentence in found.failed[:10]:
        err.print(sentence, markup=False)
    grid = _grid("", "names alone", method)
    for name in ("top-1", "top-5"):
        grid.add_row(name, f"{found.before[name]:.3f}", f"{found.after[name]:.3f}")
    out.print(
        f"{found.tested:,} pictures of {found.classes} classes that were not learnt from; {found.learnt:,} numbers"
    )
    out.print(grid)
    out.print(f"what was learnt is in {into}")


def tell(told: "Told") -> None:
    """An epoch, or a round, on stderr."""
    score = "" if told.score is None else f"  right at once {told.score:.3f} on what is held out"
    err.print(f"epoch {told.epoch}/{told.epochs}  loss {told.loss:.3f}  {told.speed:,.0f} pictures/s{score}")


def _towers(pairs: "Shards", into: Path, recipe: "Recipe", place: "Ranks") -> float:
    """Both towers, learnt by all ranks and written by the first; returns how many pairs a second all of them saw."""
    from snapfind.training.methods.pretraining import Feed, new_towers, pretrain, recall_of, save_towers

    own = replace(recipe, batch=place.share(recipe.batch))
    towers, preprocessing = new_towers(own)
    feed = Feed(pairs, preprocessing, own)
    judged = feed.judged()
    before = recall_of(towers, judged) if judged else (0.0, 0.0)
    done = pretrain(towers, feed, own, kept=into.with_name(into.name + ".work"), told=tell)
    best = done.module.cpu()
    assert isinstance(best, type(towers))
    after = recall_of(best, judged) if judged else (0.0, 0.0)
    count = len(judged[0]) if judged else 0
    metrics = {"recall_at_1": after, "before": before, "pairs": count}
    if not place.number:
        save_towers(into, best, recipe, {"seed": recipe.plan.seed, "ranks": place.count, "metrics": metrics})
    if judged:
        _recalls(count, {"before": before, "after": after})
    _left_out(feed.unread)
    out.print(f"both towers are in {into}; a catalogue adopts the picture's: shop.adopt('{into / 'encoder'}')")
    return done.history[-1].speed


def _lock(pairs: "Shards", into: Path, loss: Literal["sigmoid", "info_nce"], seed: int, held: int) -> None:
    """Two maps on frozen features, judged on pairs held out, beside what ConSE finds."""
    from snapfind.encoders.image.efficientnet import Builtin
    from snapfind.encoders.text.e5 import TextEncoder
    from snapfind.training.methods.lit import judged_lock, see_pairs

    encoder, text = Builtin.load(), TextEncoder()
    with progress_bar("looking") as progress:
        seen, look = see_pairs(pairs, encoder, text, into.with_name(into.name + ".work"), progress=progress)
    found = judged_lock(seen, look, encoder, text, into, loss=loss, seed=seed, held=held, told=tell)
    _recalls(found.judged, {"ConSE": found.before, "learnt": found.after})
    out.print(f"the space is in {into}; load it with snapfind.encoders.crossmodal.lit.Locked.load")


def _recalls(held: int, rows: dict[str, tuple[float, float]]) -> None:
    grid = _grid("", "title -> picture", "picture -> title")
    for name, values in rows.items():
        grid.add_row(name, *(f"{value:.3f}" for value in values))
    out.print(f"recall@1 among {held:,} pairs that were held out")
    out.print(grid)


def _grid(*columns: str) -> Table:
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        grid.add_column(name)
    return grid


def _left_out(counts: dict[str, int]) -> None:
    for reason, count in counts.items():
        err.print(f"left out: {count:,} × {reason}", markup=False)
