"""Catalogue adaptation: from whatever pictures a shop has to an encoder that knows its products.

The ladder: `heads` learns the two heads on frozen features (a minute), `blocks` the last five blocks too, on maps that
the front of the network made once, `network` everything. Products with photos learn from these; a product without any
has its studio picture photographed again; photos whose label no neighbour shares are left out. One photo in ten is held
out: it says which epoch was best, judges against the raw encoder, and calibrates the scores. So that products stay
findable which were not there to learn from, the weights go a part of the way only, and what was learnt stands beside a
closed form (training/weight_interpolation.py). Where there is no photo at all the closed form of `model fit` takes the
place of the learnt heads (training/closed_form_heads.py).
"""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from snapfind.training.adaptation_run import Adapted, Depth, close_course, open_course
from snapfind.training.checkpoint import fingerprint
from snapfind.training.closed_form_heads import refitted
from snapfind.training.data.augmentation import Shown
from snapfind.training.data.batches import batches
from snapfind.training.export import SHIPPED
from snapfind.training.initialization import begin, believed, see
from snapfind.training.loop import Plan, Told, train
from snapfind.training.models.adaptation import Recipe, Recogniser
from snapfind.training.weight_interpolation import between, steadied

__all__ = ["LADDER", "Adapted", "Depth", "Step", "adapt", "within"]

Progress = Callable[[int, int], None]
_LOOKS = 60  # views a second that the front makes on two cores
_STEPS = 200  # batches at the least, where there are photos
_AGAIN = 32  # views of a picture that is photographed again: these differ more than crops of a photo
_VIEWS = 12_000  # of all pictures; 44 kB each with blocks


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the ladder: views kept of each picture, how to train, the loss, and which `part` 0..1 of the way from
    the weights before to those learnt is kept: less finds new products better and known ones worse."""

    views: int
    plan: Plan
    recipe: Recipe
    batch: int = 64
    dim: int = 256
    part: float = 1.0


LADDER: dict[Depth, Step] = {
    "heads": Step(2, Plan(epochs=15, rate=2e-3), Recipe(mixed=0.0)),
    "blocks": Step(8, Plan(epochs=24, rate=2e-3, rates={"body": 5e-4}), Recipe(), part=0.6),
    "network": Step(0, Plan(epochs=14, rate=2e-3, rates={"body": 3e-4}), Recipe(), part=0.6),
}


def within(depth: Depth, minutes: float, shown: Sequence[Shown], seed: int) -> Step:
    """The step of the ladder that fits these pictures, and into so many minutes; 0 minutes set no limit.

    Few photos get more epochs, studio pictures photographed again more views; where there are no others heads do not
    learn, since a closed form takes their place. Two fifths of the minutes may go into looking at views, at 60 a
    second.
    """
    step, count = LADDER[depth], max(1, len(shown))
    photos = sum(one.how == "photo" for one in shown)
    epochs, views = step.plan.epochs, step.views
    if photos:
        made = sum(one.how == "rephotographed" for one in shown)
        epochs = max(epochs, _STEPS // -(-(photos + made) // step.batch))
    else:
        epochs = 0 if depth == "heads" else epochs
        views = max(views, min(_AGAIN, _VIEWS // count)) if views else views
    if minutes:
        views = max(2, min(views, round(0.4 * 60 * minutes * _LOOKS / count)))
    return replace(step, plan=replace(step.plan, epochs=epochs, minutes=minutes, seed=seed), views=views)


def adapt(
    shown: Sequence[Shown],
    folder: Path,
    work: Path,
    *,
    depth: Depth = "blocks",
    step: Step | None = None,
    parent: Path = SHIPPED,
    command: str = "",
    progress: Progress | None = None,
    told: Callable[[Told], None] | None = None,
) -> Adapted:
    """Learns from `shown` and writes the artifact into `folder`; `work` keeps maps and checkpoints.

    Every product needs a studio picture; photos are best. Raises BadInput on fewer than two products.
    """
    started, step = time.monotonic(), step or within(depth, 0, shown, 0)
    seed = step.plan.seed
    course = open_course(shown, work, depth=depth, views=step.views, seed=seed, parent=parent, progress=progress)
    source, body = course.source, course.body
    seen = believed(see(body, source, course.again, course.photos))
    photos = seen.rows[seen.queries]
    learner = Recogniser(body, *begin(seen, course.products, step.dim, seed), step.recipe)
    before = copy.deepcopy(learner.state_dict())
    batch, steps = batches(source, course.again, photos, size=step.batch, seed=seed)
    left = step.plan.minutes and max(0.1, step.plan.minutes - (time.monotonic() - started) / 60)
    plan = replace(step.plan, minutes=left)
    judge, of = course.judge, fingerprint(course.sign, step.recipe, step.batch, step.dim)
    outcome = train(
        *(learner, batch, steps, plan),
        score=judge.score,
        judged=len(judge.photos),
        kept=work / f"checkpoint-{depth}",
        of=of,
        told=told,
    )
    best = outcome.module
    assert isinstance(best, Recogniser)
    between(before, best, step.part)
    if course.again[source.queries].all():
        best.heads = refitted(best.body, source, course.again)
    else:
        best.heads = steadied(best.heads, see(best.body, source, course.again, photos))
    facts: dict[str, object] = {
        "command": command,
        "seed": seed,
        "recipe": {"depth": depth, **asdict(step)},
        "photos": {"held_out": int(course.held.sum()), "not_believed": len(course.photos) - len(photos)},
    }
    return close_course(course, best, best.heads, best.body, outcome, folder, facts)
