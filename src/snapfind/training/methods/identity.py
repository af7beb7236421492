"""Identity training of a shop's encoder: from its samples to the artifact.

The method is in identity_module.py. As in catalog adaptation, the weights are interpolated with those before training,
so that products added later are found too (training/weight_interpolation.py).
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

from snapfind.training.adaptation_run import Adapted, finish_run, prepare_run
from snapfind.training.checkpoint import fingerprint
from snapfind.training.data.augmentation import Sample
from snapfind.training.export import SHIPPED
from snapfind.training.initialization import encode_samples, initialize_heads
from snapfind.training.loop import EpochMetrics
from snapfind.training.methods.catalog_adaptation import LADDER
from snapfind.training.methods.identity_module import Stages, learn_identity
from snapfind.training.weight_interpolation import append_closed_form, interpolate_weights

__all__ = ["identify"]

_VIEWS, _DIM = 4, 256


def identify(
    samples: Sequence[Sample],
    folder: Path,
    work: Path,
    *,
    depth: Literal["heads", "blocks"] = "heads",
    alpha: float | None = None,
    stages: Stages | None = None,
    seed: int = 0,
    views: int = _VIEWS,
    dim: int = _DIM,
    parent: Path = SHIPPED,
    command: str = "",
    progress: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> Adapted:
    """Train with one class per product in three stages and write the artifact.

    Args:
        samples: Photos and studio images. Every product needs a studio image.
        folder: Folder of the new artifact.
        work: Folder of the feature cache and the checkpoints.
        depth: What is trained.
        alpha: Interpolation 0..1 between the weights before (0) and after training (1), by default that of catalog
            adaptation at this depth.
        stages: Configuration of the three stages.
        seed: Random seed.
        views: Views per sample.
        dim: Dimension of the output vectors.
        parent: Artifact folder of the encoder to adapt.
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
    stages, alpha = stages or Stages(), LADDER[depth].alpha if alpha is None else alpha
    plans = {name: replace(getattr(stages, name), seed=seed) for name in ("contrast", "prototypes", "angles")}
    stages = replace(stages, **plans)
    run = prepare_run(samples, work, depth=depth, views=views, seed=seed, parent=parent, progress=progress)
    heads, _ = initialize_heads(
        encode_samples(run.body, run.source, run.synthetic, run.photos), run.products, dim, seed
    )
    before = [copy.deepcopy(own.state_dict()) for own in (run.body, heads)]
    learner, used = learn_identity(
        *(run.body, heads, run.source, run.photos, run.products, stages),
        synthetic=run.synthetic,
        checkpoint_folder=work / f"checkpoint-identity-{depth}",
        data_fingerprint=fingerprint(run.fingerprint, stages, dim),
        on_epoch=on_epoch,
    )
    for weights, own in zip(before, (learner.body, learner.heads)):
        interpolate_weights(weights, own, alpha)
    learner.heads = append_closed_form(learner.heads, encode_samples(learner.body, run.source, run.synthetic, used))
    facts = {
        "command": command,
        "seed": seed,
        "config": {"depth": depth, "alpha": alpha, **asdict(stages)},
        "photos": {"held_out": int(run.held_out.sum()), "dropped_labels": len(run.photos) - len(used)},
    }
    return finish_run(run, learner, learner.heads, learner.body, None, folder, facts)
