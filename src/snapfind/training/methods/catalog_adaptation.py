"""Catalog adaptation: train an encoder on the images of a shop.

The depth selects what is trained: `heads` trains the two heads on frozen features (about a minute), `blocks` also the
last five blocks, on features that the frozen blocks computed once, and `network` everything. Products with photos are
trained on these photos. Products without photos are trained on synthetic photos made of their studio images. Photos
whose label no neighbor shares are left out. One photo in ten is held out: these photos select the best epoch, compare
the encoder with its parent, and calibrate the scores. So that new products are found too, the weights are interpolated
with those of the parent and the heads are combined with a closed form (training/weight_interpolation.py). Without any
photo, the closed form of `model fit` replaces the trained heads (`fit_closed_form_heads`).
"""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from snapfind.encoders.adapters.closed_form import solve
from snapfind.training.adaptation_run import Adapted, Depth, finish_run, prepare_run
from snapfind.training.checkpoint import fingerprint
from snapfind.training.data.augmentation import Sample
from snapfind.training.data.batches import make_batches
from snapfind.training.data.feature_cache import FeatureCache, LiveViews
from snapfind.training.export import SHIPPED
from snapfind.training.initialization import drop_suspect_labels, encode_samples, initialize_heads
from snapfind.training.loop import EpochMetrics, TrainingConfig, train
from snapfind.training.models.adaptation import LossConfig, ProductRecognizer
from snapfind.training.models.heads import Heads
from snapfind.training.validation import encode_view
from snapfind.training.weight_interpolation import append_closed_form, interpolate_weights

__all__ = ["LADDER", "Adapted", "Depth", "Step", "adapt", "fit_closed_form_heads", "within"]

Progress = Callable[[int, int], None]
_VIEWS_PER_SECOND = 60  # measured for the frozen layers on two cores
_MIN_BATCHES = 200  # of a whole run, if there are photos
_SYNTHETIC_VIEWS = 32  # per sample without photos: synthetic photos differ more than crops of a photo
_MAX_VIEWS = 12_000  # of all samples, 44 kB each at depth "blocks"
_CLOSED_FORM_IMAGES, _CLOSED_FORM_VIEWS = 512, 32  # limits, with one image per product: it needs no more


@dataclass(frozen=True, slots=True)
class Step:
    """Configuration of one depth.

    Attributes:
        views: Views per sample.
        training: Training configuration.
        loss_config: Loss configuration.
        batch: Photos per batch.
        dim: Dimension of the output vectors.
        part: Interpolation 0..1 between the parent's weights (0) and the trained weights (1). Lower values find new
            products better and known products worse.
    """

    views: int
    training: TrainingConfig
    loss_config: LossConfig
    batch: int = 64
    dim: int = 256
    alpha: float = 1.0


LADDER: dict[Depth, Step] = {
    "heads": Step(2, TrainingConfig(epochs=15, rate=2e-3), LossConfig(mixed=0.0)),
    "blocks": Step(8, TrainingConfig(epochs=24, rate=2e-3, rates={"body": 5e-4}), LossConfig(), alpha=0.6),
    "network": Step(0, TrainingConfig(epochs=14, rate=2e-3, rates={"body": 3e-4}), LossConfig(), alpha=0.6),
}


def within(depth: Depth, minutes: float, samples: Sequence[Sample], seed: int) -> Step:
    """Choose the configuration of a depth for these samples and a time limit.

    With few photos the number of epochs is raised. Without photos the number of views is raised, and heads are not
    trained because a closed form replaces them. At most 40 % of the time limit is planned for encoding views, at 60
    views per second.

    Args:
        depth: What is trained.
        minutes: Time limit, 0 sets none.
        samples: The samples.
        seed: Random seed.

    Returns:
        The configuration.
    """
    step, count = LADDER[depth], max(1, len(samples))
    photos = sum(sample.how == "photo" for sample in samples)
    epochs, views = step.training.epochs, step.views
    if photos:
        synthetic = sum(sample.how == "synthetic" for sample in samples)
        epochs = max(epochs, _MIN_BATCHES // -(-(photos + synthetic) // step.batch))
    else:
        epochs = 0 if depth == "heads" else epochs
        views = max(views, min(_SYNTHETIC_VIEWS, _MAX_VIEWS // count)) if views else views
    if minutes:
        views = max(2, min(views, round(0.4 * 60 * minutes * _VIEWS_PER_SECOND / count)))
    return replace(step, training=replace(step.training, epochs=epochs, minutes=minutes, seed=seed), views=views)


def adapt(
    samples: Sequence[Sample],
    folder: Path,
    work: Path,
    *,
    depth: Depth = "blocks",
    step: Step | None = None,
    parent: str | Path = SHIPPED,
    command: str = "",
    progress: Progress | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> Adapted:
    """Train an encoder on samples and write its artifact.

    Args:
        samples: Photos and studio images. Every product needs a studio image.
        folder: Folder of the new artifact.
        work: Folder of the feature cache and the checkpoints.
        depth: What is trained.
        step: Configuration, `within(depth, 0, samples, 0)` by default.
        parent: The network to adapt: artifact folder of the bundled network, or another backbone as for
            `open_backbone` (training/models/backbone.py).
        command: Command line, stored in the manifest.
        progress: Called with (samples done, samples in all) while views are encoded.
        on_epoch: Called with the metrics of each epoch.

    Returns:
        The written encoder and its recall@1 on the held-out photos.

    Raises:
        BadInput: As `prepare_run` and `train`.
        ModelBroken: The written model does not reproduce the trained one.
        NoRoom: The disk is full.
    """
    started, step = time.monotonic(), step or within(depth, 0, samples, 0)
    seed = step.training.seed
    run = prepare_run(samples, work, depth=depth, views=step.views, seed=seed, parent=parent, progress=progress)
    source, body = run.source, run.body
    encoded = drop_suspect_labels(encode_samples(body, source, run.synthetic, run.photos))
    photos = encoded.rows[encoded.queries]
    learner = ProductRecognizer(body, *initialize_heads(encoded, run.products, step.dim, seed), step.loss_config)
    before = copy.deepcopy(learner.state_dict())
    batch, steps = make_batches(source, run.synthetic, photos, size=step.batch, seed=seed)
    minutes_left = step.training.minutes and max(0.1, step.training.minutes - (time.monotonic() - started) / 60)
    training = replace(step.training, minutes=minutes_left)
    outcome = train(
        learner,
        batch,
        steps,
        training,
        score=run.validator.score,
        validation_count=len(run.validator.photos),
        checkpoint_folder=work / f"checkpoint-{depth}",
        data_fingerprint=fingerprint(run.fingerprint, step.loss_config, step.batch, step.dim),
        on_epoch=on_epoch,
    )
    best = outcome.module
    assert isinstance(best, ProductRecognizer)
    interpolate_weights(before, best, step.alpha)
    if run.synthetic[source.queries].all():
        best.heads = fit_closed_form_heads(best.body, source, run.synthetic)
    else:
        best.heads = append_closed_form(best.heads, encode_samples(best.body, source, run.synthetic, photos))
    facts: dict[str, object] = {
        "command": command,
        "seed": seed,
        "config": {"depth": depth, **asdict(step)},
        "photos": {"held_out": int(run.held_out.sum()), "dropped_labels": len(run.photos) - len(photos)},
    }
    return finish_run(run, best, best.heads, best.body, outcome, folder, facts)


def fit_closed_form_heads(body: nn.Module, source: FeatureCache | LiveViews, synthetic: NDArray[np.bool_]) -> Heads:
    """Fit heads to synthetic photos and the studio images of the same products, by the closed form of `model fit`.

    Heads trained on synthetic photos overfit to how these are made. A whitening and a regression with few degrees of
    freedom transfer better to real photos (benchmarks/results/learn.md).

    View 0 of synthetic photos is reserved for validation and not used.

    Args:
        body: Maps views to (n, width) features.
        source: Views of all samples.
        synthetic: (n,) bool, samples used as synthetic photos.

    Returns:
        Heads with output dimension `width`.
    """
    photos, studio = np.flatnonzero(synthetic), np.flatnonzero(~source.queries)
    _, photo_index, studio_index = np.intersect1d(source.products[photos], source.products[studio], return_indices=True)
    chosen = np.unique(
        np.linspace(0, len(studio_index) - 1, min(len(studio_index), _CLOSED_FORM_IMAGES)).astype(np.int64)
    )
    photos, studio = photos[photo_index[chosen]], studio[studio_index[chosen]]
    with torch.no_grad():
        views = [encode_view(body, source, photos, view) for view in range(1, min(source.views, _CLOSED_FORM_VIEWS))]
        weights = solve(encode_view(body, source, studio, 0), np.stack(views, axis=1))
    heads = Heads(weights["query_matrix"], weights["query_mean"], weights["document_mean"])
    heads.document.data.copy_(heads.document.new_tensor(weights["document_matrix"]))
    return heads
