"""Image-text pre-training from shards: the seed of a web-scale run, on one machine or many.

Which pairs a batch holds follows from seed and step alone, so a run that was stopped goes on bit by bit, and `ranks`
processes with a batch of n see what one process with `ranks` times n would. A round is a number of steps, not a pass
over the shards: that is when it tells, scores and keeps a checkpoint. Pairs that cannot be read are replaced by others
and counted. docs/methods/pretraining.md has the plan to 10^10 pairs.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from safetensors.torch import save_file
from torch import Tensor, distributed

from snapfind.core.atomic import whole
from snapfind.core.errors import BadInput
from snapfind.encoders.image.preprocess import Preprocessing, to_tensor
from snapfind.training.checkpoint import fingerprint
from snapfind.training.data.webdataset import Shards
from snapfind.training.export import SHIPPED, write_artifact
from snapfind.training.loop import EpochMetrics, Outcome, TrainingConfig, train
from snapfind.training.models.efficientnet import read_network
from snapfind.training.models.two_tower import ByteText, Loss, Sight, Towers, bytes_of, titles_of

__all__ = ["Feed", "PretrainingConfig", "cost", "new_towers", "pretrain", "recall_of", "save_towers"]

_TRIES = 64  # pairs in a row that cannot be read before it ends


@dataclass(frozen=True, slots=True)
class PretrainingConfig:
    """Loss, pairs in a batch of one rank, pairs in memory at a time, weight of hard negatives, steps of a round.

    `held` pairs are learned from by nobody and judge. `plan.epochs` counts rounds.
    """

    plan: TrainingConfig = field(default_factory=lambda: TrainingConfig(epochs=10, rate=1e-3, decay=0.1))
    loss: Loss = "info_nce"
    batch: int = 256
    part: int = 64
    hard: float = 0.0
    steps: int = 100
    held: int = 256
    length: int = 96  # bytes of a title


class Feed:
    """Batches for `train`: (pictures (n, side, side, 3) uint8, bytes (n, length), title numbers (n,)) of this rank."""

    def __init__(self, shards: Shards, preprocessing: Preprocessing, recipe: PretrainingConfig) -> None:
        self.shards, self._preprocessing, self._recipe = shards, preprocessing, recipe
        self.unread: Counter[str] = Counter()
        self._rank, self._ranks = _place()
        drawn = np.random.default_rng([recipe.plan.seed, 1]).permutation(len(shards))
        self.held, self._used = drawn[: recipe.held], np.ones(len(shards), bool)
        self._used[self.held] = False
        whole = recipe.batch * self._ranks
        if self._used.sum() < whole:
            raise BadInput(
                f"{len(shards):,} pairs, {len(self.held):,} of them held out, do not fill a batch of {whole:,};"
                " give more shards or a smaller --batch"
            )
        self._pass = int(self._used.sum()) // whole  # batches of one pass over the shards
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def batch(self, round_: int, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Batch `step` of a round."""
        at = round_ * self._recipe.steps + step
        if at // self._pass != self._epoch:
            self._epoch = at // self._pass
            order = self.shards.order(self._recipe.plan.seed, self._epoch)
            self._order = order[self._used[order]]
        first = ((at % self._pass) * self._ranks + self._rank) * self._recipe.batch
        return self.read(self._order[first : first + self._recipe.batch], at)

    def read(self, numbers: NDArray[np.int64], at: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Those pairs as tensors; in place of one that cannot be read another one, drawn from what is learned from."""
        used, found = np.flatnonzero(self._used), []
        for slot, number in enumerate(numbers.tolist()):
            rng = np.random.default_rng([self._recipe.plan.seed, at, slot, self._rank])
            found.append(self._one(number, used, rng))
        return self._tensors(found)

    def judged(self) -> tuple[Tensor, Tensor, Tensor] | None:
        """The pairs held out, as tensors; those that cannot be read are left out. None where none is left."""
        found = []
        for number in self.held.tolist():
            try:
                found.append(self.shards.read(number))
            except BadInput as problem:
                self.unread[problem.code] += 1
        return self._tensors(found) if found else None

    def _tensors(self, pairs: list[tuple[Image, str]]) -> tuple[Tensor, Tensor, Tensor]:
        pictures = [to_tensor([image], self._preprocessing)[0] for image, _ in pairs]
        titles = [title for _, title in pairs]
        seen = torch.from_numpy(np.stack(pictures))
        return seen, bytes_of(titles, self._recipe.length), titles_of(titles)

    def _one(self, number: int, others: NDArray[np.int64], rng: np.random.Generator) -> tuple[Image, str]:
        for _ in range(_TRIES):
            try:
                return self.shards.read(number)
            except BadInput as problem:
                self.unread[problem.code] += 1
                number = int(rng.choice(others))
        raise BadInput(f"{_TRIES} pairs in a row cannot be read ({dict(self.unread)}); are these shards whole?")


def new_towers(recipe: PretrainingConfig, parent: Path = SHIPPED) -> tuple[Towers, Preprocessing]:
    """The network of `parent`, all of it trainable, beside a title's tower from nothing; how pictures are prepared."""
    torch.manual_seed(recipe.plan.seed)
    sight, text = Sight(read_network(parent), 256), ByteText(256, length=recipe.length)
    told = json.loads((parent / "manifest.json").read_text())["preprocessing"]
    return Towers(sight, text, recipe.loss, part=recipe.part, hard=recipe.hard), Preprocessing.parse(told)


def pretrain(
    towers: Towers,
    feed: Feed,
    recipe: PretrainingConfig,
    *,
    kept: Path | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> Outcome:
    """Trains both towers; the score of a round is recall@1, title to picture, among the pairs held out."""
    judged = feed.judged()

    def score(module: torch.nn.Module) -> float:
        assert isinstance(module, Towers) and judged is not None
        return recall_of(module, judged)[0]

    whole = recipe.batch * _place()[1]  # ranks may change: all of them together see the same
    of = fingerprint(feed.shards.sign, recipe.loss, whole, recipe.hard, recipe.held, recipe.length)
    judge = score if judged else None
    return train(
        towers,
        feed.batch,
        recipe.steps,
        recipe.plan,
        score=judge,
        checkpoint_folder=kept,
        data_fingerprint=of,
        on_epoch=on_epoch,
    )


@torch.no_grad()
def recall_of(towers: Towers, pairs: tuple[Tensor, Tensor, Tensor], part: int = 64) -> tuple[float, float]:
    """Recall@1 title -> picture and picture -> title among these pairs; any picture with the title is right."""
    pictures, texts, titles = pairs
    device = next(towers.parameters()).device
    left = torch.cat([towers.picture(piece.to(device)) for piece in pictures.split(part)]).cpu()
    right = torch.cat([towers.text(piece.to(device)) for piece in texts.split(part)]).cpu()
    cosines = right @ left.T
    found = [float((titles[near] == titles).float().mean()) for near in (cosines.argmax(1), cosines.argmax(0))]
    return round(found[0], 4), round(found[1], 4)


def cost(pairs: float, speed: float, price: float) -> str:
    """What so many pairs would take at `speed` pairs/s on machines of this kind at `price` an hour: computed."""
    hours = pairs / max(speed, 1e-9) / 3600
    total = f"{hours:,.1f} machine-hours, {hours * price:,.2f} at {price:g} an hour"
    return f"{pairs:,.0f} pairs at {speed:,.1f} pairs/s: {total}"


def save_towers(folder: Path, towers: Towers, recipe: PretrainingConfig, facts: dict[str, object]) -> None:
    """Both towers as safetensors with a manifest, whole or not at all.

    Where the picture's tower is the shipped network, the folder `encoder` beside them is an artifact that a catalog
    adopts. Raises ModelBroken when float16 turns its vectors, NoRoom.
    """
    manifest = {"kind": "towers", "recipe": asdict(recipe), **facts}
    held = {name: value.contiguous() for name, value in towers.state_dict().items()}
    with whole(folder) as draft:
        save_file(held, draft / "towers.safetensors")
        if isinstance(towers.picture, Sight):
            write_artifact(draft / "encoder", towers.picture.network, towers.picture.heads(), facts)
        (draft / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def _place() -> tuple[int, int]:
    """This rank, and how many there are."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1
