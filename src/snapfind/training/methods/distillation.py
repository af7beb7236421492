"""Knowledge distillation: a small encoder is trained to reproduce a larger one, on images without labels.

Two losses. Features: the cosine distance of each vector to the teacher's vector of the same view (after Romero et al.,
"FitNets", arXiv 1412.6550, on the last layer). Relations: the similarities of each image to the others of the batch
match those of the teacher, softmax against softmax (after Park et al., "Relational Knowledge Distillation", arXiv
1904.05068, in the form of Fang et al., "SEED", arXiv 2101.04731). The heads are initialized by ridge regression from
the student's features to the teacher's vectors. The teacher is any encoder that `Builtin` loads, with its heads:
`lite2`, or an artifact folder.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from snapfind.core.errors import BadInput
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Vectors
from snapfind.encoders.image.efficientnet import Builtin, Features
from snapfind.training.adaptation_run import AdaptationRun, Adapted, finish_run, prepare_run
from snapfind.training.checkpoint import fingerprint
from snapfind.training.data.augmentation import Sample
from snapfind.training.data.batches import make_index_batches
from snapfind.training.data.feature_cache import FeatureCache, Front, LiveViews, build_feature_cache
from snapfind.training.export import SHIPPED
from snapfind.training.loop import EpochMetrics, Outcome, TrainingConfig, train
from snapfind.training.models.heads import Heads
from snapfind.training.validation import encode_view

__all__ = [
    "LADDER",
    "DistillationConfig",
    "DistillationLoss",
    "Student",
    "distill",
    "project_teacher",
    "relation_loss",
    "teacher_front",
    "train_student",
    "within",
]

Depth = Literal["heads", "blocks"]
_RIDGE = 0.01  # of the regression, in the mean squared length of its rows


@dataclass(frozen=True, slots=True)
class DistillationLoss:
    """Weights of the two losses and temperature of the relation loss. The defaults were not tuned."""

    features: float = 1.0
    relations: float = 1.0
    temperature: float = 0.05


@dataclass(frozen=True, slots=True)
class DistillationConfig:
    """Configuration of one depth.

    Attributes:
        views: Views per sample.
        training: Training configuration.
        loss_config: Weights of the losses.
        batch: Photos per batch.
        dim: Dimension of the output vectors: the directions in which the teacher's vectors vary most.
    """

    views: int
    training: TrainingConfig
    loss_config: DistillationLoss = DistillationLoss()
    batch: int = 128
    dim: int = 256


LADDER: dict[Depth, DistillationConfig] = {
    "heads": DistillationConfig(4, TrainingConfig(epochs=10, rate=5e-4)),
    "blocks": DistillationConfig(4, TrainingConfig(epochs=8, rate=1e-3, rates={"body": 5e-4})),
}


def relation_loss(vectors: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Compare the similarities within a batch with those of the teacher.

    A row is no neighbor of itself.

    Args:
        vectors: (n, d) unit rows of the student.
        targets: (n, e) unit rows of the teacher for the same images.
        temperature: Temperature of the softmax.

    Returns:
        Mean Kullback-Leibler divergence in nats.
    """
    own = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    mine, theirs = ((rows @ rows.T / temperature).masked_fill(own, -1e4) for rows in (vectors, targets))
    return functional.kl_div(mine.log_softmax(1), theirs.log_softmax(1), reduction="batchmean", log_target=True)


class Student(nn.Module):
    """Body and heads. `forward` returns the loss of a batch."""

    def __init__(self, body: nn.Module, heads: Heads, loss_config: DistillationLoss) -> None:
        super().__init__()
        self.body, self.heads, self.loss_config = body, heads, loss_config

    def forward(self, inputs: Tensor, queries: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of a batch.

        Args:
            inputs: (n, …) inputs of the body.
            queries: (n,) bool, True for photos.
            targets: (n, dim) unit rows of the teacher.

        Returns:
            Scalar loss.
        """
        vectors, loss_config = self.heads(self.body(inputs), queries), self.loss_config
        loss = loss_config.features * (1 - (vectors * targets).sum(1)).mean()
        return loss + loss_config.relations * relation_loss(vectors, targets, loss_config.temperature)

    @torch.no_grad()
    def vectors(self, inputs: Tensor, *, query: bool, batch: int = 64) -> Tensor:
        """Return (n, dim) unit rows in the role of photos (`query`) or of catalog images."""
        inputs = inputs.to(self.heads.query.device)
        rows = torch.full((batch,), query, device=inputs.device)
        return torch.cat([self.heads(self.body(part), rows[: len(part)]) for part in inputs.split(batch)])


def distill(
    samples: Sequence[Sample],
    teacher: Builtin,
    folder: Path,
    work: Path,
    *,
    depth: Depth = "heads",
    step: DistillationConfig | None = None,
    parent: Path = SHIPPED,
    command: str = "",
    progress: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> Adapted:
    """Distill a teacher into an encoder and write the artifact. Labels are used for validation only.

    Args:
        samples: Photos and studio images.
        teacher: The larger encoder.
        folder: Folder of the new artifact.
        work: Folder of the feature caches and the checkpoint.
        depth: What is trained.
        step: Configuration, by default that of the depth.
        parent: Artifact folder of the encoder to train.
        command: Command line, stored in the manifest.
        progress: Called with (samples done, samples in all) while views are encoded.
        on_epoch: Called with the metrics of each epoch.

    Returns:
        The written encoder and its recall@1 on the held-out photos.

    Raises:
        BadInput: The teacher is the encoder to train. Also as `prepare_run` and `train`.
        ModelBroken: The written model does not reproduce the trained one.
        NoRoom: The disk is full.
    """
    step = step or LADDER[depth]
    if teacher.space.id == Builtin.load(str(parent)).space.id:
        raise BadInput(
            f"The teacher {teacher.name} is the encoder to train. Give a larger one, for example: --teacher lite2"
        )
    seed = step.training.seed
    run = prepare_run(samples, work, depth=depth, views=step.views, seed=seed, parent=parent, progress=progress)
    targets = _encode_targets(run, teacher, step, work, progress)
    outcome = train_student(
        *(run.body, run.source, run.synthetic, run.photos, targets, step),
        score=run.validator.score,
        checkpoint_folder=work / f"checkpoint-distill-{depth}",
        data_fingerprint=fingerprint(run.fingerprint, teacher.space.id, step.loss_config, step.batch, step.dim),
        on_epoch=on_epoch,
    )
    best = outcome.module
    assert isinstance(best, Student)
    teacher_recall = run.validator.recall_at_1(targets[run.validator.photos, 0], targets[run.validator.studio, 0])
    facts = {
        "command": command,
        "seed": seed,
        "config": asdict(step),
        "teacher": {"space": teacher.space.id, "recall_at_1": teacher_recall},
    }
    return finish_run(run, best, best.heads, best.body, outcome, folder, facts)


def _encode_targets(
    run: AdaptationRun,
    teacher: Builtin,
    step: DistillationConfig,
    work: Path,
    progress: Callable[[int, int], None] | None,
) -> Vectors:
    """Return (n, views, dim) unit rows: the teacher's vectors of the same views, each in its role."""
    name = f"maps-teacher-{teacher.raw_id}.f16"
    cache = build_feature_cache(
        run.samples,
        teacher_front(teacher),
        teacher.preprocessing,
        work / name,
        views=step.views,
        seed=step.training.seed,
        data_hash=run.data,
        progress=progress,
    )
    return project_teacher(cache, teacher, step.dim)


def teacher_front(teacher: Builtin) -> Front:
    """Wrap a teacher for the feature cache.

    Args:
        teacher: The teacher.

    Returns:
        A function from (n, side, side, 3) uint8 images to (n, width) pooled features.
    """
    return lambda pictures: teacher.extract_features([Image.fromarray(picture) for picture in pictures]).pooled


def project_teacher(cache: FeatureCache, teacher: Builtin, dim: int) -> Vectors:
    """Project the teacher's vectors to fewer dimensions that keep their cosines.

    Args:
        cache: Features of the teacher for all views.
        teacher: The teacher.
        dim: Number of dimensions.

    Returns:
        (n, views, dim) float32 unit rows.
    """
    count, views = cache.features.shape[:2]
    rows = np.empty((count, views, teacher.space.dim), np.float32)
    none = np.empty((0, 0), np.float32)
    for role, chosen in (("query", cache.queries), ("document", ~cache.queries)):
        seen = cache.features[chosen].astype(np.float32).reshape(int(chosen.sum()) * views, -1)
        rows[chosen] = teacher.project(Features(seen, none), role).reshape(-1, views, rows.shape[2])  # type: ignore[arg-type]
    flat = rows.reshape(count * views, -1)
    dim = min(dim, flat.shape[1])
    basis = np.linalg.eigh(flat.T @ flat)[1][:, ::-1][:, :dim]
    return unit(flat @ basis).reshape(count, views, dim)


def train_student(
    body: nn.Module,
    source: FeatureCache | LiveViews,
    synthetic: NDArray[np.bool_],
    photos: NDArray[np.int64],
    targets: Vectors,
    step: DistillationConfig,
    *,
    score: Callable[[nn.Module], float] | None = None,
    checkpoint_folder: Path | None = None,
    data_fingerprint: str = "",
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> Outcome:
    """Train a student on photos and all studio images.

    Args:
        body: Maps inputs to (n, width) features.
        source: Views of all samples.
        synthetic: (n,) bool, samples used as synthetic photos.
        photos: Indices of the photos used for training.
        targets: (n, views, dim) unit rows of the teacher.
        step: Configuration.
        score: Scores the averaged weights after each epoch.
        checkpoint_folder: Folder of the checkpoint.
        data_fingerprint: Identifies the data.
        on_epoch: Called with the metrics of each epoch.

    Returns:
        The result of the training. The module is a `Student`.
    """
    torch.manual_seed(step.training.seed)
    learner = Student(body, _initialize_heads(body, source, synthetic, photos, targets), step.loss_config)
    places, steps = make_index_batches(source, synthetic, photos, size=step.batch, seed=step.training.seed)

    def batch(epoch: int, number: int) -> tuple[Tensor, Tensor, Tensor]:
        rows, views = places(epoch, number)
        seen, queries = source.batch(rows, views), torch.from_numpy(source.queries[rows])
        return seen, queries, torch.from_numpy(targets[rows, views])

    return train(
        learner,
        batch,
        steps,
        step.training,
        score=score,
        checkpoint_folder=checkpoint_folder,
        data_fingerprint=data_fingerprint,
        on_epoch=on_epoch,
    )


def _initialize_heads(
    body: nn.Module,
    source: FeatureCache | LiveViews,
    synthetic: NDArray[np.bool_],
    photos: NDArray[np.int64],
    targets: Vectors,
) -> Heads:
    """Fit ridge regressions from the student's features to the teacher's vectors, one for each role."""
    sides = []
    for rows in (photos, np.flatnonzero(~source.queries)):
        view = int(synthetic[rows].all())  # view 0 of synthetic photos is reserved for validation
        sides.append(_ridge(encode_view(body, source, rows, view), targets[rows, view]))
    heads = Heads(sides[0][0], sides[0][1], sides[1][1])
    with torch.no_grad():
        heads.document.copy_(torch.from_numpy(sides[1][0]))
    return heads


def _ridge(features: Vectors, targets: Vectors) -> tuple[Vectors, Vectors]:
    """Return a matrix (width, dim) and a mean (width,) with (features - mean) @ matrix close to the targets."""
    center, target_center = features.mean(0), targets.mean(0)
    rows = (features - center).astype(np.float64)
    covariance = rows.T @ rows
    ridge = _RIDGE * np.trace(covariance) / len(covariance) + 1e-9
    matrix = np.linalg.solve(covariance + ridge * np.eye(len(covariance)), rows.T @ (targets - target_center))
    moved = np.linalg.lstsq(matrix.T, target_center.astype(np.float64), rcond=1e-4)[0]
    return np.ascontiguousarray(matrix, np.float32), np.ascontiguousarray(center - moved, np.float32)


def within(depth: Depth, minutes: float, seed: int) -> DistillationConfig:
    """Choose the configuration of a depth for a time limit.

    Args:
        depth: What is trained.
        minutes: Time limit, 0 sets none.
        seed: Random seed.

    Returns:
        The configuration.
    """
    step = LADDER[depth]
    return replace(step, training=replace(step.training, minutes=minutes, seed=seed))
