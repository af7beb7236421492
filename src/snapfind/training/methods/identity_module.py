"""Identity learning in three stages: every product is a class of its own.

After Pailitao-VL (arXiv 2602.13704): (1) a contrastive warm start, (2) a prototype for every product, begun as the mean
of its vectors, learned while the body rests, (3) all of it end to end with an additive angular margin. Between (1) and
(2) a purity filter drops labels that no neighbor shares (training/data/label_filter.py). Against many products only
part of the prototypes stand in a step (training/losses/margin.py `sampled`). Scales, margins and lengths of the stages
are ours: the paper publishes none.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from snapfind.encoders.base import Vectors
from snapfind.training.data.batches import make_batches
from snapfind.training.data.feature_cache import FeatureCache, LiveViews
from snapfind.training.data.label_filter import agrees_with_neighbors
from snapfind.training.loop import EpochMetrics, TrainingConfig, train
from snapfind.training.losses.margin import Prototypes, angular_margin, margin_loss, sampled
from snapfind.training.models.heads import Heads

__all__ = ["Identity", "Stages", "learn_identity"]

Stage = Literal["contrast", "prototypes", "angles"]


@dataclass(frozen=True)
class Stages:
    """How long each stage is, and the numbers of the last two. `part` of the prototypes stand against a batch."""

    contrast: TrainingConfig = field(default_factory=lambda: TrainingConfig(epochs=4, rate=1e-3))
    prototypes: TrainingConfig = field(default_factory=lambda: TrainingConfig(epochs=2, rate=5e-3))
    angles: TrainingConfig = field(default_factory=lambda: TrainingConfig(epochs=10, rate=1e-3))
    scale: float = 16.0
    margin: float = 0.2  # radians
    part: float = 1.0
    purify: bool = True
    batch: int = 64


class Identity(nn.Module):
    """Body, heads and prototypes; `stage` says what `forward(seen, queries, labels)` is the loss of."""

    def __init__(self, body: nn.Module, heads: Heads, prototypes: Prototypes, stages: Stages) -> None:
        super().__init__()
        self.body, self.heads, self.prototypes = body, heads, prototypes
        self.stages = stages
        self.stage: Stage = "contrast"

    def forward(self, seen: Tensor, queries: Tensor, labels: Tensor) -> Tensor:
        """`seen` (n, …) as `body` takes it, (n,) bool, (n,) int64 -> a scalar."""
        vectors = self.heads(self.body(seen), queries)
        if self.stage == "contrast":
            return _contrast(vectors, labels, self.stages.scale)
        chosen, places = None, labels
        if self.stages.part < 1:
            chosen, places = sampled(labels, len(self.prototypes.weight), self.stages.part, torch.default_generator)
        cosines = self.prototypes(vectors, chosen)
        if self.stage == "angles":
            cosines = angular_margin(cosines, places, self.stages.margin)
        return margin_loss(cosines, places, scale=self.stages.scale)

    @torch.no_grad()
    def vectors(self, seen: Tensor, *, query: bool, batch: int = 256) -> Tensor:
        """Unit rows (n, dim) in one role."""
        seen = seen.to(self.heads.query.device)
        rows = torch.full((batch,), query, device=seen.device)
        return torch.cat([self.heads(self.body(part), rows[: len(part)]) for part in seen.split(batch)])


def _contrast(vectors: Tensor, labels: Tensor, scale: float) -> Tensor:
    """Each row against all others of the batch; a row does not compete with itself."""
    pairs = vectors @ vectors.T * scale
    pairs = pairs.masked_fill(torch.eye(len(pairs), dtype=torch.bool, device=pairs.device), -torch.inf)
    same = (labels[:, None] == labels[None, :]).float().fill_diagonal_(0)
    logs = torch.log_softmax(pairs, 1).masked_fill(same == 0, 0.0)
    alone = same.sum(1) == 0
    return -((logs * same).sum(1) / same.sum(1).clamp(min=1))[~alone].sum() / (~alone).sum().clamp(min=1)


def learn_identity(
    body: nn.Module,
    heads: Heads,
    source: FeatureCache | LiveViews,
    photos: NDArray[np.int64],
    products: int,
    stages: Stages,
    *,
    again: NDArray[np.bool_] | None = None,
    kept: Path | None = None,
    of: str = "",
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> tuple[Identity, NDArray[np.int64]]:
    """The three stages on `photos` (places in `source`) and all studio pictures; returns also the photos kept.

    `again` (n,) bool: pictures whose view 0 is for judging only, as in batches.py. `kept` is a folder for checkpoints,
    `of` what they are of, as in training.py.
    """
    again = np.zeros(len(source.products), bool) if again is None else again
    learner = Identity(body, heads, Prototypes(torch.ones(products, heads.query.shape[1])), stages)
    learner = _stage(learner, "contrast", stages.contrast, source, again, photos, kept, of, on_epoch)
    if stages.purify:
        photos = photos[
            agrees_with_neighbors(_vectors(learner, source, again, photos, query=True), source.products[photos])
        ]
    learner.prototypes = Prototypes(_means(learner, source, again, photos, products))
    learner = _stage(learner, "prototypes", stages.prototypes, source, again, photos, kept, of, on_epoch)
    return _stage(learner, "angles", stages.angles, source, again, photos, kept, of, on_epoch).cpu(), photos


def _stage(
    learner: Identity,
    stage: Stage,
    plan: TrainingConfig,
    source: FeatureCache | LiveViews,
    again: NDArray[np.bool_],
    photos: NDArray[np.int64],
    kept: Path | None,
    of: str,
    on_epoch: Callable[[EpochMetrics], None] | None,
) -> Identity:
    """One stage; while prototypes are learned everything else rests."""
    learner.stage = stage
    resting = [own for own in learner.parameters() if own.requires_grad and own is not learner.prototypes.weight]
    for parameter in resting if stage == "prototypes" else []:
        parameter.requires_grad_(False)
    batch, steps = make_batches(source, again, photos, size=learner.stages.batch, seed=plan.seed)
    outcome = train(
        learner,
        batch,
        steps,
        plan,
        checkpoint_folder=kept / stage if kept else None,
        data_fingerprint=of,
        on_epoch=on_epoch,
    )
    for parameter in resting:
        parameter.requires_grad_()
    learner.load_state_dict(outcome.module.state_dict())
    return learner


def _vectors(
    learner: Identity,
    source: FeatureCache | LiveViews,
    again: NDArray[np.bool_],
    rows: NDArray[np.int64],
    *,
    query: bool,
) -> Vectors:
    """(n, dim) of the first view that may be learned from, in one role."""
    parts = [rows[at : at + 256] for at in range(0, len(rows), 256)]
    seen = (source.batch(part, again[part].astype(np.int64)) for part in parts)
    vectors: Vectors = np.concatenate([learner.vectors(own, query=query).cpu().numpy() for own in seen])
    return vectors


def _means(
    learner: Identity,
    source: FeatureCache | LiveViews,
    again: NDArray[np.bool_],
    photos: NDArray[np.int64],
    products: int,
) -> Tensor:
    """(products, dim) sums of the vectors of photos and studio pictures."""
    sums = np.zeros((products, learner.heads.query.shape[1]), np.float32)
    for rows, query in ((photos, True), (np.flatnonzero(~source.queries), False)):
        np.add.at(sums, source.products[rows], _vectors(learner, source, again, rows, query=query))
    return torch.from_numpy(sums)
