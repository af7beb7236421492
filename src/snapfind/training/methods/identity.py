"""Identity training (identity_module.py) on a shop's own pictures, from encoding them to the artifact.

As in catalog adaptation the weights go a part of the way only, so that products that come later stay findable
(training/weight_interpolation.py).
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
    shown: Sequence[Sample],
    folder: Path,
    work: Path,
    *,
    depth: Literal["heads", "blocks"] = "heads",
    part: float | None = None,
    stages: Stages | None = None,
    seed: int = 0,
    views: int = _VIEWS,
    dim: int = _DIM,
    parent: Path = SHIPPED,
    command: str = "",
    progress: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> Adapted:
    """The three stages on `shown`; writes the artifact into `folder`, keeps maps and checkpoints in `work`.

    `part` 0..1 is how far the weights go from those before to those learned, by default as far as catalog adaptation
    lets them at that depth. Raises BadInput as `prepare_run` does.
    """
    stages, part = stages or Stages(), LADDER[depth].part if part is None else part
    plans = {name: replace(getattr(stages, name), seed=seed) for name in ("contrast", "prototypes", "angles")}
    stages = replace(stages, **plans)
    run = prepare_run(shown, work, depth=depth, views=views, seed=seed, parent=parent, progress=progress)
    heads, _ = initialize_heads(
        encode_samples(run.body, run.source, run.synthetic, run.photos), run.products, dim, seed
    )
    before = [copy.deepcopy(own.state_dict()) for own in (run.body, heads)]
    learner, used = learn_identity(
        *(run.body, heads, run.source, run.photos, run.products, stages),
        again=run.synthetic,
        kept=work / f"checkpoint-identity-{depth}",
        of=fingerprint(run.fingerprint, stages, dim),
        on_epoch=on_epoch,
    )
    for weights, own in zip(before, (learner.body, learner.heads)):
        interpolate_weights(weights, own, part)
    learner.heads = append_closed_form(learner.heads, encode_samples(learner.body, run.source, run.synthetic, used))
    facts = {
        "command": command,
        "seed": seed,
        "recipe": {"depth": depth, "part_of_the_way": part, **asdict(stages)},
        "photos": {"held_out": int(run.held_out.sum()), "not_believed": len(run.photos) - len(used)},
    }
    return finish_run(run, learner, learner.heads, learner.body, None, folder, facts)
