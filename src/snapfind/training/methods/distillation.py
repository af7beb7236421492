"""Distillation: the small encoder learns to see as a larger one does, from pictures without a label.

Two losses. Features: each vector turns toward the teacher's vector of the same view (after Romero et al., "FitNets",
arXiv 1412.6550, on the last layer). Relations: each picture is as near to the others of the batch as the teacher finds
it, softmax against softmax (after Park et al., "Relational Knowledge Distillation", arXiv 1904.05068, in the form of
Fang et al., "SEED", arXiv 2101.04731). The heads begin as the ridge regression from the pupil's features to the
teacher's vectors. The teacher is any encoder that Builtin loads, with its heads: `lite2`, or an artifact's folder.
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

__all__ = ["STEPS", "Lesson", "Pull", "Pupil", "distill", "projected", "relations", "teach", "teacher_front", "within"]

Depth = Literal["heads", "blocks"]
_RIDGE = 0.01  # of the regression, in the mean squared length of its rows


@dataclass(frozen=True, slots=True)
class Pull:
    """Weights of the two losses, and the temperature of the relations: first guesses."""

    features: float = 1.0
    relations: float = 1.0
    temperature: float = 0.05


@dataclass(frozen=True, slots=True)
class Lesson:
    """Views kept of each picture, how to train, the losses, and the space: the `dim` directions in which the teacher's
    vectors are longest."""

    views: int
    plan: TrainingConfig
    pull: Pull = Pull()
    batch: int = 128
    dim: int = 256


STEPS: dict[Depth, Lesson] = {
    "heads": Lesson(4, TrainingConfig(epochs=10, rate=5e-4)),
    "blocks": Lesson(4, TrainingConfig(epochs=8, rate=1e-3, rates={"body": 5e-4})),
}


def relations(vectors: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    """Mean Kullback-Leibler divergence, in nats, of whom each of n unit rows is near to from whom it should be.

    `vectors` (n, d) and `wanted` (n, e) of the same pictures; a row is no neighbor of itself.
    """
    own = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    mine, theirs = ((rows @ rows.T / temperature).masked_fill(own, -1e4) for rows in (vectors, wanted))
    return functional.kl_div(mine.log_softmax(1), theirs.log_softmax(1), reduction="batchmean", log_target=True)


class Pupil(nn.Module):
    """`forward(seen, queries, wanted)` is the loss of a batch; `wanted` (n, dim) are the teacher's unit rows."""

    def __init__(self, body: nn.Module, heads: Heads, pull: Pull) -> None:
        super().__init__()
        self.body, self.heads, self.pull = body, heads, pull

    def forward(self, seen: Tensor, queries: Tensor, wanted: Tensor) -> Tensor:
        """`seen` (n, …) as `body` takes it, (n,) bool -> a scalar."""
        vectors, pull = self.heads(self.body(seen), queries), self.pull
        loss = pull.features * (1 - (vectors * wanted).sum(1)).mean()
        return loss + pull.relations * relations(vectors, wanted, pull.temperature)

    @torch.no_grad()
    def vectors(self, seen: Tensor, *, query: bool, batch: int = 64) -> Tensor:
        """Unit rows (n, dim) in one role."""
        seen = seen.to(self.heads.query.device)
        rows = torch.full((batch,), query, device=seen.device)
        return torch.cat([self.heads(self.body(part), rows[: len(part)]) for part in seen.split(batch)])


def distill(
    shown: Sequence[Sample],
    teacher: Builtin,
    folder: Path,
    work: Path,
    *,
    depth: Depth = "heads",
    step: Lesson | None = None,
    parent: Path = SHIPPED,
    command: str = "",
    progress: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> Adapted:
    """Teaches the encoder of `parent` on `shown`, whose labels only judge; writes the artifact into `folder`.

    Raises BadInput where the teacher is the pupil, and what `prepare_run` raises.
    """
    step = step or STEPS[depth]
    if teacher.space.id == Builtin.load(str(parent)).space.id:
        raise BadInput(
            f"the teacher {teacher.name} is the encoder that shall learn; give a larger one: --teacher lite2"
        )
    seed = step.plan.seed
    run = prepare_run(shown, work, depth=depth, views=step.views, seed=seed, parent=parent, progress=progress)
    wanted = _wanted(run, teacher, step, work, progress)
    outcome = teach(
        *(run.body, run.source, run.synthetic, run.photos, wanted, step),
        score=run.validator.score,
        kept=work / f"checkpoint-distill-{depth}",
        of=fingerprint(run.fingerprint, teacher.space.id, step.pull, step.batch, step.dim),
        on_epoch=on_epoch,
    )
    best = outcome.module
    assert isinstance(best, Pupil)
    taught = run.validator.recall_at_1(wanted[run.validator.photos, 0], wanted[run.validator.studio, 0])
    facts = {
        "command": command,
        "seed": seed,
        "recipe": asdict(step),
        "teacher": {"space": teacher.space.id, "recall_at_1": taught},
    }
    return finish_run(run, best, best.heads, best.body, outcome, folder, facts)


def _wanted(
    run: AdaptationRun, teacher: Builtin, step: Lesson, work: Path, progress: Callable[[int, int], None] | None
) -> Vectors:
    """(n, views, dim) unit rows: what the teacher makes of the same views, each in its role."""

    name = f"maps-teacher-{teacher.raw_id}.f16"
    kept = build_feature_cache(
        run.samples,
        teacher_front(teacher),
        teacher.preprocessing,
        work / name,
        views=step.views,
        seed=step.plan.seed,
        data_hash=run.data,
        progress=progress,
    )
    return projected(kept, teacher, step.dim)


def teacher_front(teacher: Builtin) -> Front:
    """The teacher as maps.py asks it: (n, side, side, 3) uint8 -> (n, width) pooled features."""
    return lambda pictures: teacher.extract_features([Image.fromarray(picture) for picture in pictures]).pooled


def projected(kept: FeatureCache, teacher: Builtin, dim: int) -> Vectors:
    """(n, views, dim) unit rows of the teacher's space, turned so that few numbers hold their cosines."""
    count, views = kept.features.shape[:2]
    rows = np.empty((count, views, teacher.space.dim), np.float32)
    none = np.empty((0, 0), np.float32)
    for role, chosen in (("query", kept.queries), ("document", ~kept.queries)):
        seen = kept.features[chosen].astype(np.float32).reshape(int(chosen.sum()) * views, -1)
        rows[chosen] = teacher.project(Features(seen, none), role).reshape(-1, views, rows.shape[2])  # type: ignore[arg-type]
    flat = rows.reshape(count * views, -1)
    dim = min(dim, flat.shape[1])
    basis = np.linalg.eigh(flat.T @ flat)[1][:, ::-1][:, :dim]
    return unit(flat @ basis).reshape(count, views, dim)


def teach(
    body: nn.Module,
    source: FeatureCache | LiveViews,
    again: NDArray[np.bool_],
    photos: NDArray[np.int64],
    wanted: Vectors,
    step: Lesson,
    *,
    score: Callable[[nn.Module], float] | None = None,
    kept: Path | None = None,
    of: str = "",
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> Outcome:
    """Learns from `photos` (places in `source`) and all studio pictures what the teacher makes of them.

    `wanted` (n, views, dim) are its unit rows; `again` (n,) bool as in batches.py. The module is a Pupil.
    """
    torch.manual_seed(step.plan.seed)
    learner = Pupil(body, _begin(body, source, again, photos, wanted), step.pull)
    places, steps = make_index_batches(source, again, photos, size=step.batch, seed=step.plan.seed)

    def batch(epoch: int, number: int) -> tuple[Tensor, Tensor, Tensor]:
        rows, views = places(epoch, number)
        seen, queries = source.batch(rows, views), torch.from_numpy(source.queries[rows])
        return seen, queries, torch.from_numpy(wanted[rows, views])

    return train(
        learner, batch, steps, step.plan, score=score, checkpoint_folder=kept, data_fingerprint=of, on_epoch=on_epoch
    )


def _begin(
    body: nn.Module,
    source: FeatureCache | LiveViews,
    again: NDArray[np.bool_],
    photos: NDArray[np.int64],
    wanted: Vectors,
) -> Heads:
    """Each role's ridge regression from the pupil's features to the teacher's vectors."""
    sides = []
    for rows in (photos, np.flatnonzero(~source.queries)):
        view = int(again[rows].all())  # view 0 of what was photographed again only judges
        sides.append(_ridge(encode_view(body, source, rows, view), wanted[rows, view]))
    heads = Heads(sides[0][0], sides[0][1], sides[1][1])
    with torch.no_grad():
        heads.document.copy_(torch.from_numpy(sides[1][0]))
    return heads


def _ridge(features: Vectors, wanted: Vectors) -> tuple[Vectors, Vectors]:
    """(n, width) and (n, dim) -> a matrix (width, dim) and a mean (width,) with (features - mean) @ matrix ~ wanted."""
    middle, aim = features.mean(0), wanted.mean(0)
    rows = (features - middle).astype(np.float64)
    spread = rows.T @ rows
    level = _RIDGE * np.trace(spread) / len(spread) + 1e-9
    matrix = np.linalg.solve(spread + level * np.eye(len(spread)), rows.T @ (wanted - aim))
    moved = np.linalg.lstsq(matrix.T, aim.astype(np.float64), rcond=1e-4)[0]
    return np.ascontiguousarray(matrix, np.float32), np.ascontiguousarray(middle - moved, np.float32)


def within(depth: Depth, minutes: float, seed: int) -> Lesson:
    """The step of that depth with so many minutes; 0 set no limit."""
    step = STEPS[depth]
    return replace(step, plan=replace(step.plan, minutes=minutes, seed=seed))
