"""Identity training in three stages: every product is a class.

After Pailitao-VL (arXiv 2602.13704): (1) contrastive training, (2) prototypes of the products, initialized with the
mean of their vectors and trained while everything else is frozen, (3) end-to-end training with an additive angular
margin (ArcFace). Between (1) and (2) photos whose label no neighbor shares are removed (training/data/label_filter.py).
With many products only a sample of the prototypes takes part in a step (training/losses/margin.py). Scales, margins and
epochs are our choice because the paper publishes none.
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
from snapfind.training.losses.margin import Prototypes, angular_margin, margin_loss, sample_classes
from snapfind.training.models.heads import Heads

__all__ = ["Identity", "Stages", "learn_identity"]

Stage = Literal["contrast", "prototypes", "angles"]


@dataclass(frozen=True)
class Stages:
    """Configuration of the three stages.

    Attributes:
        contrast: Training configuration of the contrastive stage.
        prototypes: Training configuration of the prototype stage.
        angles: Training configuration of the ArcFace stage.
        scale: Factor of the cosines in the softmax.
        margin: Angular margin in radians.
        part: Fraction 0..1 of the prototypes that take part in a step.
        purify: Whether photos whose label no neighbor shares are removed.
        batch: Photos per batch.
    """

    contrast: TrainingConfig = field(default_factory=lambda: TrainingConfig(epochs=4, rate=1e-3))
    prototypes: TrainingConfig = field(default_factory=lambda: TrainingConfig(epochs=2, rate=5e-3))
    angles: TrainingConfig = field(default_factory=lambda: TrainingConfig(epochs=10, rate=1e-3))
    scale: float = 16.0
    margin: float = 0.2  # radians
    part: float = 1.0
    purify: bool = True
    batch: int = 64


class Identity(nn.Module):
    """Body, heads and prototypes.

    `forward` returns the loss of the current `stage`.

    Args:
        body: Maps inputs to (n, width) features.
        heads: Maps features to (n, dim) vectors.
        prototypes: One vector per product.
        stages: Configuration.
    """

    def __init__(self, body: nn.Module, heads: Heads, prototypes: Prototypes, stages: Stages) -> None:
        super().__init__()
        self.body, self.heads, self.prototypes = body, heads, prototypes
        self.stages = stages
        self.stage: Stage = "contrast"

    def forward(self, inputs: Tensor, queries: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of a batch.

        Args:
            inputs: (n, …) inputs of the body.
            queries: (n,) bool, True for photos.
            labels: (n,) int64 products.

        Returns:
            Scalar loss.
        """
        vectors = self.heads(self.body(inputs), queries)
        if self.stage == "contrast":
            return _contrast(vectors, labels, self.stages.scale)
        chosen, places = None, labels
        if self.stages.part < 1:
            chosen, places = sample_classes(
                labels, len(self.prototypes.weight), self.stages.part, torch.default_generator
            )
        cosines = self.prototypes(vectors, chosen)
        if self.stage == "angles":
            cosines = angular_margin(cosines, places, self.stages.margin)
        return margin_loss(cosines, places, scale=self.stages.scale)

    @torch.no_grad()
    def vectors(self, inputs: Tensor, *, query: bool, batch: int = 256) -> Tensor:
        """Return (n, dim) unit rows in the role of photos (`query`) or of catalog images."""
        inputs = inputs.to(self.heads.query.device)
        rows = torch.full((batch,), query, device=inputs.device)
        return torch.cat([self.heads(self.body(part), rows[: len(part)]) for part in inputs.split(batch)])


def _contrast(vectors: Tensor, labels: Tensor, scale: float) -> Tensor:
    """InfoNCE with all rows of the same product as positives. A row does not compete with itself."""
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
    synthetic: NDArray[np.bool_] | None = None,
    checkpoint_folder: Path | None = None,
    data_fingerprint: str = "",
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> tuple[Identity, NDArray[np.int64]]:
    """Train the three stages.

    Args:
        body: Maps inputs to (n, width) features. Trained in place.
        heads: Initial heads.
        source: Views of all samples.
        photos: Indices of the photos used for training.
        products: Number of products.
        stages: Configuration.
        synthetic: (n,) bool, samples used as synthetic photos. Their view 0 is reserved for validation.
        checkpoint_folder: Folder of the checkpoints, None for no checkpoints.
        data_fingerprint: Identifies the data, as in training/loop.py.
        on_epoch: Called with the metrics of each epoch.

    Returns:
        The trained module on the CPU, and the photos that passed the label filter.

    Raises:
        BadInput: As `train`.
    """
    synthetic = np.zeros(len(source.products), bool) if synthetic is None else synthetic
    learner = Identity(body, heads, Prototypes(torch.ones(products, heads.query.shape[1])), stages)
    learner = _stage(
        learner, "contrast", stages.contrast, source, synthetic, photos, checkpoint_folder, data_fingerprint, on_epoch
    )
    if stages.purify:
        photos = photos[
            agrees_with_neighbors(_vectors(learner, source, synthetic, photos, query=True), source.products[photos])
        ]
    learner.prototypes = Prototypes(_means(learner, source, synthetic, photos, products))
    learner = _stage(
        learner,
        "prototypes",
        stages.prototypes,
        source,
        synthetic,
        photos,
        checkpoint_folder,
        data_fingerprint,
        on_epoch,
    )
    return _stage(
        learner, "angles", stages.angles, source, synthetic, photos, checkpoint_folder, data_fingerprint, on_epoch
    ).cpu(), photos


def _stage(
    learner: Identity,
    stage: Stage,
    training: TrainingConfig,
    source: FeatureCache | LiveViews,
    synthetic: NDArray[np.bool_],
    photos: NDArray[np.int64],
    checkpoint_folder: Path | None,
    data_fingerprint: str,
    on_epoch: Callable[[EpochMetrics], None] | None,
) -> Identity:
    """Train one stage. In the prototype stage everything but the prototypes is frozen."""
    learner.stage = stage
    frozen = [own for own in learner.parameters() if own.requires_grad and own is not learner.prototypes.weight]
    for parameter in frozen if stage == "prototypes" else []:
        parameter.requires_grad_(False)
    batch, steps = make_batches(source, synthetic, photos, size=learner.stages.batch, seed=training.seed)
    outcome = train(
        learner,
        batch,
        steps,
        training,
        checkpoint_folder=checkpoint_folder / stage if checkpoint_folder else None,
        data_fingerprint=data_fingerprint,
        on_epoch=on_epoch,
    )
    for parameter in frozen:
        parameter.requires_grad_()
    learner.load_state_dict(outcome.module.state_dict())
    return learner


def _vectors(
    learner: Identity,
    source: FeatureCache | LiveViews,
    synthetic: NDArray[np.bool_],
    rows: NDArray[np.int64],
    *,
    query: bool,
) -> Vectors:
    """Encode the first view of some samples that may be used for training as (n, dim) unit rows."""
    parts = [rows[at : at + 256] for at in range(0, len(rows), 256)]
    inputs = (source.batch(part, synthetic[part].astype(np.int64)) for part in parts)
    vectors: Vectors = np.concatenate([learner.vectors(own, query=query).cpu().numpy() for own in inputs])
    return vectors


def _means(
    learner: Identity,
    source: FeatureCache | LiveViews,
    synthetic: NDArray[np.bool_],
    photos: NDArray[np.int64],
    products: int,
) -> Tensor:
    """Return (products, dim) sums of the vectors of photos and studio images."""
    sums = np.zeros((products, learner.heads.query.shape[1]), np.float32)
    for rows, query in ((photos, True), (np.flatnonzero(~source.queries), False)):
        np.add.at(sums, source.products[rows], _vectors(learner, source, synthetic, rows, query=query))
    return torch.from_numpy(sums)
