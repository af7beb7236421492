"""Identity training (identity_module.py) on a shop's own pictures, from encoding them to the artifact.

As in catalogue adaptation the weights go a part of the way only, so that products that come later stay findable
(training/weight_interpolation.py).
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

from snapfind.training.adaptation_run import Adapted, close_course, open_course
from snapfind.training.checkpoint import fingerprint
from snapfind.training.data.augmentation import Shown
from snapfind.training.export import SHIPPED
from snapfind.training.initialization import begin, see
from snapfind.training.loop import Told
from snapfind.training.methods.catalog_adaptation import LADDER
from snapfind.training.methods.identity_module import Stages, learn_identity
from snapfind.training.weight_interpolation import between, steadied

__all__ = ["identify"]

_VIEWS, _DIM = 4, 256


def identify(
    shown: Sequence[Shown],
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
    told: Callable[[Told], None] | None = None,
) -> Adapted:
    """The three stages on `shown`; writes the artifact into `folder`, keeps maps and checkpoints in `work`.

    `part` 0..1 is how far the weights go from those before to those learnt, by default as far as catalogue adaptation
    lets them at that depth. Raises BadInput as `open_course` does.
    """
    stages, part = stages or Stages(), LADDER[depth].part if part is None else part
    plans = {name: replace(getattr(stages, name), seed=seed) for name in ("contrast", "prototypes", "angles")}
    stages = replace(stages, **plans)
    course = open_course(shown, work, depth=depth, views=views, seed=seed, parent=parent, progress=progress)
    heads, _ = begin(see(course.body, course.source, course.again, course.photos), course.products, dim, seed)
    before = [copy.deepcopy(own.state_dict()) for own in (course.body, heads)]
    learner, used = learn_identity(
        *(course.body, heads, course.source, course.photos, course.products, stages),
        again=course.again,
        kept=work / f"checkpoint-identity-{depth}",
        of=fingerprint(course.sign, stages, dim),
        told=told,
    )
    for weights, own in zip(before, (learner.body, learner.heads)):
        between(weights, own, part)
    learner.heads = steadied(learner.heads, see(learner.body, course.source, course.again, used))
    facts = {
        "command": command,
        "seed": seed,
        "recipe": {"depth": depth, "part_of_the_way": part, **asdict(stages)},
        "photos": {"held_out": int(course.held.sum()), "not_believed": len(course.photos) - len(used)},
    }
    return close_course(course, learner, learner.heads, learner.body, None, folder, facts)
