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
from snapfind.training.models.two_tower import ByteText, ContrastiveLoss, ImageTower, TwoTower, encode_bytes, title_ids

__all__ = ["PairBatches", "PretrainingConfig", "estimate_cost", "new_towers", "pretrain", "recall_of", "save_towers"]

_TRIES = 64  # pairs in a row that cannot be read before it ends


@dataclass(frozen=True, slots=True)
class PretrainingConfig:
    """Configuration. `training.epochs` counts rounds.

    Attributes:
        training: Training configuration.
        loss: Contrastive loss.
        batch: Pairs per batch of one rank.
        part: Pairs in memory at a time, 0 for all.
        hard: Weight of hard negatives.
        steps: Batches per round.
        held_out: Pairs that are held out for validation.
        length: Bytes of a title.
    """

    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(epochs=10, rate=1e-3, decay=0.1))
    loss: ContrastiveLoss = "info_nce"
    batch: int = 256
    part: int = 64
    hard: float = 0.0
    steps: int = 100
    held_out: int = 256
    length: int = 96  # bytes of a title


class PairBatches:
    """Batches of pairs for `train`, the share of this rank.

    Args:
        shards: The pairs.
        preprocessing: Preprocessing of the images.
        config: Configuration.

    Raises:
        BadInput: The pairs do not fill a batch.
    """

    def __init__(self, shards: Shards, preprocessing: Preprocessing, config: PretrainingConfig) -> None:
        self.shards, self._preprocessing, self._config = shards, preprocessing, config
        self.unread: Counter[str] = Counter()
        self._rank, self._ranks = _rank_and_count()
        drawn = np.random.default_rng([config.training.seed, 1]).permutation(len(shards))
        self.held_out, self._used = drawn[: config.held_out], np.ones(len(shards), bool)
        self._used[self.held_out] = False
        whole = config.batch * self._ranks
        if self._used.sum() < whole:
            raise BadInput(
                f"{len(shards):,} pairs, {len(self.held_out):,} of them held out, do not fill a batch of {whole:,};"
                " give more shards or a smaller --batch"
            )
        self._pass = int(self._used.sum()) // whole  # batches of one pass over the shards
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def batch(self, round_: int, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return a batch of a round.

        Args:
            round_: Number of the round, from 0.
            step: Number of the batch in the round, from 0.

        Returns:
            (n, side, side, 3) uint8 images, (n, length) int64 bytes of the titles, (n,) int64 numbers of the titles.
        """
        at = round_ * self._config.steps + step
        if at // self._pass != self._epoch:
            self._epoch = at // self._pass
            order = self.shards.order(self._config.training.seed, self._epoch)
            self._order = order[self._used[order]]
        first = ((at % self._pass) * self._ranks + self._rank) * self._config.batch
        return self.read(self._order[first : first + self._config.batch], at)

    def read(self, numbers: NDArray[np.int64], at: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Read pairs as tensors. A pair that cannot be read is replaced by another training pair.

        Args:
            numbers: (n,) int64 pairs.
            at: Number of the batch, which determines the replacements.

        Returns:
            As `batch`.

        Raises:
            BadInput: 64 pairs in a row cannot be read.
        """
        used, found = np.flatnonzero(self._used), []
        for slot, number in enumerate(numbers.tolist()):
            rng = np.random.default_rng([self._config.training.seed, at, slot, self._rank])
            found.append(self._one(number, used, rng))
        return self._tensors(found)

    def held_out_pairs(self) -> tuple[Tensor, Tensor, Tensor] | None:
        """Return the held-out pairs that can be read as tensors, None if there are none."""
        pairs = []
        for number in self.held_out.tolist():
            try:
                pairs.append(self.shards.read(number))
            except BadInput as problem:
                self.unread[problem.code] += 1
        return self._tensors(pairs) if pairs else None

    def _tensors(self, pairs: list[tuple[Image, str]]) -> tuple[Tensor, Tensor, Tensor]:
        pictures = [to_tensor([image], self._preprocessing)[0] for image, _ in pairs]
        titles = [title for _, title in pairs]
        seen = torch.from_numpy(np.stack(pictures))
        return seen, encode_bytes(titles, self._config.length), title_ids(titles)

    def _one(self, number: int, others: NDArray[np.int64], rng: np.random.Generator) -> tuple[Image, str]:
        for _ in range(_TRIES):
            try:
                return self.shards.read(number)
            except BadInput as problem:
                self.unread[problem.code] += 1
                number = int(rng.choice(others))
        raise BadInput(
            f"{_TRIES} pairs in a row cannot be read ({dict(self.unread)}). Check that the shards are complete."
        )


def new_towers(config: PretrainingConfig, parent: Path = SHIPPED) -> tuple[TwoTower, Preprocessing]:
    """Make the model: the network of an artifact, all of it trainable, and a new text encoder.

    Args:
        config: Configuration.
        parent: Artifact folder of the network.

    Returns:
        The model and the preprocessing of its images.
    """
    torch.manual_seed(config.training.seed)
    image_tower, text = ImageTower(read_network(parent), 256), ByteText(256, length=config.length)
    preprocessing = json.loads((parent / "manifest.json").read_text())["preprocessing"]
    return TwoTower(image_tower, text, config.loss, part=config.part, hard=config.hard), Preprocessing.parse(
        preprocessing
    )


def pretrain(
    towers: TwoTower,
    feed: PairBatches,
    config: PretrainingConfig,
    *,
    checkpoint_folder: Path | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> Outcome:
    """Train both encoders. The score of a round is recall@1 from title to image on the held-out pairs.

    Args:
        towers: The model, trained in place.
        feed: The batches.
        config: Configuration.
        checkpoint_folder: Folder of the checkpoint.
        on_epoch: Called on rank 0 with the metrics of each round.

    Returns:
        The result of the training.

    Raises:
        BadInput: As `train`.
    """
    held_out_pairs = feed.held_out_pairs()

    def score(module: torch.nn.Module) -> float:
        assert isinstance(module, TwoTower) and held_out_pairs is not None
        return recall_of(module, held_out_pairs)[0]

    whole = config.batch * _rank_and_count()[1]  # ranks may change: all of them together see the same
    data_fingerprint = fingerprint(
        feed.shards.fingerprint, config.loss, whole, config.hard, config.held_out, config.length
    )
    judge = score if held_out_pairs else None
    return train(
        towers,
        feed.batch,
        config.steps,
        config.training,
        score=judge,
        checkpoint_folder=checkpoint_folder,
        data_fingerprint=data_fingerprint,
        on_epoch=on_epoch,
    )


@torch.no_grad()
def recall_of(towers: TwoTower, pairs: tuple[Tensor, Tensor, Tensor], part: int = 64) -> tuple[float, float]:
    """Measure recall@1 on pairs. Any image with the title is correct.

    Args:
        towers: The model.
        pairs: Images, bytes and numbers of the titles.
        part: Pairs per forward pass.

    Returns:
        Recall@1 0..1 from title to image, and from image to title.
    """
    pictures, texts, titles = pairs
    device = next(towers.parameters()).device
    left = torch.cat([towers.picture(piece.to(device)) for piece in pictures.split(part)]).cpu()
    right = torch.cat([towers.text(piece.to(device)) for piece in texts.split(part)]).cpu()
    cosines = right @ left.T
    found = [float((titles[near] == titles).float().mean()) for near in (cosines.argmax(1), cosines.argmax(0))]
    return round(found[0], 4), round(found[1], 4)


def estimate_cost(pairs: float, speed: float, price: float) -> str:
    """Estimate time and price of training on more pairs.

    Args:
        pairs: Number of pairs.
        speed: Measured pairs per second.
        price: Price of a machine per hour.

    Returns:
        A sentence.
    """
    hours = pairs / max(speed, 1e-9) / 3600
    total = f"{hours:,.1f} machine-hours, {hours * price:,.2f} at {price:g} an hour"
    return f"{pairs:,.0f} pairs at {speed:,.1f} pairs/s: {total}"


def save_towers(folder: Path, towers: TwoTower, config: PretrainingConfig, facts: dict[str, object]) -> None:
    """Write both encoders as safetensors with a manifest, atomically.

    If the image encoder is the bundled network, the folder `encoder` beside them is an artifact that a catalog adopts.

    Args:
        folder: Folder of the new model.
        towers: The model.
        config: Configuration.
        facts: Further entries of the manifest.

    Raises:
        ModelBroken: Rounding to float16 changes the vectors.
        NoRoom: The disk is full.
    """
    manifest = {"kind": "towers", "config": asdict(config), **facts}
    tensors = {name: value.contiguous() for name, value in towers.state_dict().items()}
    with whole(folder) as draft:
        save_file(tensors, draft / "towers.safetensors")
        if isinstance(towers.picture, ImageTower):
            write_artifact(draft / "encoder", towers.picture.network, towers.picture.heads(), facts)
        (draft / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def _rank_and_count() -> tuple[int, int]:
    """Return the rank of this process and the number of ranks."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1
