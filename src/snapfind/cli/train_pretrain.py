"""Commands that train without a catalog: image-text pretraining on tar shards, and prompt tuning of a CLIP model."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from snapfind.cli.output import err, out, progress_bar, silence
from snapfind.core.config import Settings
from snapfind.core.errors import BadInput
from snapfind.evaluation.queries import read_queries
from snapfind.media.image.decode import Limits
from snapfind.training.distributed import ranks
from snapfind.training.requirements import need_torch

if TYPE_CHECKING:
    from snapfind.training.data.webdataset import Shards
    from snapfind.training.distributed import Ranks
    from snapfind.training.loop import EpochMetrics
    from snapfind.training.methods.pretraining import PretrainingConfig

__all__ = ["pretrain", "print_epoch", "prompts"]

Into = Annotated[Path, typer.Option(help="Output folder. Checkpoints go to a folder beside it.")]
Seed = Annotated[int, typer.Option(help="Random seed.")]


def pretrain(
    shards: Annotated[
        list[Path], typer.Argument(help="Tar shards (WebDataset) with KEY.jpg and KEY.txt.", show_default=False)
    ],
    into: Into,
    locked: Annotated[
        bool,
        typer.Option(
            "--locked",
            help="Freeze both encoders and train two linear maps on their features (LiT). Minutes on a laptop.",
        ),
    ] = False,
    loss: Annotated[
        Literal["sigmoid", "info_nce"], typer.Option(help="Contrastive loss of SigLIP (sigmoid) or CLIP (info_nce).")
    ] = "info_nce",
    batch: Annotated[int, typer.Option(min=2, help="Pairs in a batch, over all ranks.")] = 256,
    part: Annotated[
        int, typer.Option(min=0, help="Pairs in memory at a time (gradient caching). 0: the whole batch.")
    ] = 32,
    hard: Annotated[float, typer.Option(min=0, help="Extra weight of hard negatives. 0: none.")] = 0,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds. Each ends with validation and a checkpoint.")] = 10,
    steps: Annotated[int, typer.Option(min=1, help="Batches per round.")] = 100,
    rate: Annotated[float, typer.Option(min=0, help="Peak learning rate.")] = 1e-3,
    held: Annotated[int, typer.Option(min=0, help="Pairs held out for validation.")] = 256,
    target: Annotated[float, typer.Option(help="Number of training pairs for the cost estimate.")] = 1e10,
    price: Annotated[float, typer.Option(help="Price of this machine per hour, for the cost estimate.")] = 1.0,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Device for training.")] = "cpu",
    seed: Seed = 0,
) -> None:
    """Train an image and a text encoder on image-text pairs in tar shards. Resumes when interrupted.

    On several ranks: torchrun --nproc-per-node 2 -m snapfind train pretrain ... The batch is divided among the ranks.
    """
    need_torch()
    with ranks(device) as group, silence() if group.number else nullcontext():
        if locked and group.count > 1:
            raise BadInput("--locked runs in a single process. Start it without torchrun.")
        from snapfind.training.data.webdataset import Shards
        from snapfind.training.loop import TrainingConfig
        from snapfind.training.methods.pretraining import PretrainingConfig, estimate_cost

        pairs = Shards(shards, Limits.of(Settings()))
        err.print(f"{len(pairs):,} pairs in {len(shards):,} shards")
        _print_skipped(pairs.left_out)
        if locked:
            _train_locked(pairs, into, loss, seed, held)
            return
        training = TrainingConfig(rounds, rate, decay=0.1, seed=seed, device=device)
        config = PretrainingConfig(training, loss, batch, part, hard, steps, held)
        pairs_per_second = _train_towers(pairs, into, config, group)
        out.print(estimate_cost(target, pairs_per_second / group.machines, price))


def prompts(
    model: Annotated[Path, typer.Argument(help="Folder of a CLIP model in the format of transformers.")],
    table: Annotated[Path, typer.Argument(help="CSV with the columns picture and category (or product): the class.")],
    into: Into,
    method: Annotated[
        Literal["prompts", "lora", "linear"], typer.Option(help="Learned prompt vectors, or adapters of peft.")
    ] = "prompts",
    split: Annotated[
        Literal["closed", "few", "zero"],
        typer.Option(help="Test on the trained classes, few-shot, or zero-shot on unseen classes."),
    ] = "closed",
    shots: Annotated[int, typer.Option(min=1, help="Pictures per class with --split few.")] = 5,
    epochs: Annotated[int, typer.Option(min=1, help="Number of epochs.")] = 20,
    rate: Annotated[float, typer.Option(min=0, help="Peak learning rate.")] = 1e-3,
    root: Annotated[
        Path | None, typer.Option(help="Folder that the picture paths of the table are relative to.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Tune prompts or adapters of a frozen CLIP model for class names. The files of the model stay unchanged."""
    need_torch()
    from snapfind.training.loop import TrainingConfig
    from snapfind.training.methods.prompt_classification import classify

    queries, failures = read_queries(table, root, categories=True)
    for failure in failures[:10]:
        err.print(failure, markup=False)
    labeled = [(query.photo, query.category or min(query.products)) for query in queries if query.photo is not None]
    with progress_bar("encoding") as progress:
        result = classify(
            model,
            labeled,
            into,
            method,
            split,
            TrainingConfig(epochs, rate, decay=0.01, seed=seed),
            shots=shots,
            progress=progress,
            on_epoch=print_epoch,
        )
    for failure in result.failed[:10]:
        err.print(failure, markup=False)
    grid = _grid("", "zero-shot", method)
    for name in ("top-1", "top-5"):
        grid.add_row(name, f"{result.before[name]:.3f}", f"{result.after[name]:.3f}")
    out.print(f"{result.tested:,} test pictures of {result.classes} classes, {result.learned:,} trained parameters")
    out.print(grid)
    out.print(f"Written to {into}")


def print_epoch(epoch: "EpochMetrics") -> None:
    """Print loss, speed and validation score of an epoch to stderr."""
    score = "" if epoch.score is None else f"  held-out recall@1 {epoch.score:.3f}"
    err.print(f"epoch {epoch.epoch}/{epoch.epochs}  loss {epoch.loss:.3f}  {epoch.speed:,.0f} pictures/s{score}")


def _train_towers(pairs: "Shards", into: Path, config: "PretrainingConfig", group: "Ranks") -> float:
    """Train both encoders on all ranks, write them on rank 0, and return the pairs per second of all ranks."""
    from snapfind.training.methods.pretraining import PairBatches, new_towers, pretrain, recall_of, save_towers

    local = replace(config, batch=group.share(config.batch))
    towers, preprocessing = new_towers(local)
    feed = PairBatches(pairs, preprocessing, local)
    validation = feed.held_out_pairs()
    before = recall_of(towers, validation) if validation else (0.0, 0.0)
    outcome = pretrain(towers, feed, local, checkpoint_folder=into.with_name(into.name + ".work"), on_epoch=print_epoch)
    best = outcome.module.cpu()
    assert isinstance(best, type(towers))
    after = recall_of(best, validation) if validation else (0.0, 0.0)
    count = len(validation[0]) if validation else 0
    metrics = {"recall_at_1": after, "before": before, "pairs": count}
    if not group.number:
        save_towers(into, best, config, {"seed": config.training.seed, "ranks": group.count, "metrics": metrics})
    if validation:
        _print_recalls(count, {"before": before, "after": after})
    _print_skipped(feed.unread)
    out.print(
        f"Both encoders were written to {into}. To use the image encoder: snapfind model use SHOP {into / 'encoder'}"
    )
    return outcome.history[-1].speed


def _train_locked(pairs: "Shards", into: Path, loss: Literal["sigmoid", "info_nce"], seed: int, held: int) -> None:
    """Train two linear maps on frozen features and print their held-out recall@1 beside that of ConSE."""
    from snapfind.encoders.image.efficientnet import Builtin
    from snapfind.encoders.text.e5 import TextEncoder
    from snapfind.training.methods.lit import encode_pairs, train_and_evaluate

    encoder, text = Builtin.load(), TextEncoder()
    with progress_bar("encoding") as progress:
        features, image_features = encode_pairs(
            pairs, encoder, text, into.with_name(into.name + ".work"), progress=progress
        )
    result = train_and_evaluate(
        features, image_features, encoder, text, into, loss=loss, seed=seed, held_out=held, on_epoch=print_epoch
    )
    _print_recalls(result.pairs, {"ConSE": result.before, "LiT": result.after})
    out.print(f"The text-to-image space is in {into}. Load it with snapfind.encoders.crossmodal.lit.LitSpace.load.")


def _print_recalls(held: int, rows: dict[str, tuple[float, float]]) -> None:
    grid = _grid("", "title -> picture", "picture -> title")
    for name, values in rows.items():
        grid.add_row(name, *(f"{value:.3f}" for value in values))
    out.print(f"recall@1 on {held:,} held-out pairs")
    out.print(grid)


def _grid(*columns: str) -> Table:
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        grid.add_column(name)
    return grid


def _print_skipped(counts: dict[str, int]) -> None:
    for reason, count in counts.items():
        err.print(f"skipped: {count:,} × {reason}", markup=False)
