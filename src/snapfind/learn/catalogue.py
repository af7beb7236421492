"""Catalogue adaptation: from whatever pictures a shop has to an encoder that knows its products.

The ladder: `heads` learns the two heads on frozen features (a minute), `blocks` the last five blocks too, on maps that
the front of the network made once, `network` everything. Products with photos learn from these; a product without any
has its studio picture photographed again; photos whose label no neighbour shares are left out. One photo in ten is held
out: it says which epoch was best, judges against the raw encoder, and calibrates the scores.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn

from snapfind.encoders.builtin import Builtin
from snapfind.encoders.preprocess import Preprocessing
from snapfind.errors import BadInput
from snapfind.learn.artifact import SHIPPED, write_artifact, write_heads
from snapfind.learn.batches import batches
from snapfind.learn.begin import begin, believed, see
from snapfind.learn.judge import Judge, held_out
from snapfind.learn.maps import Live, Maps, front_of, make_maps
from snapfind.learn.network import read_network
from snapfind.learn.recognise import Recipe, Recogniser, Tail
from snapfind.learn.training import Outcome, Plan, Told, train
from snapfind.learn.views import Shown

__all__ = ["LADDER", "Adapted", "Depth", "Step", "adapt", "within"]

Depth = Literal["heads", "blocks", "network"]
Progress = Callable[[int, int], None]
_LOOKS = 60  # views a second that the front makes on two cores


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the ladder: the first block that learns, views kept of each picture, how to train, the loss."""

    first: str
    views: int
    plan: Plan
    recipe: Recipe
    batch: int = 64
    dim: int = 256


LADDER: dict[Depth, Step] = {
    "heads": Step("", 2, Plan(epochs=30, rate=2e-3), Recipe(mixed=0.0)),
    "blocks": Step("_blocks.11", 8, Plan(epochs=10, rate=2e-3, rates={"body": 5e-4}), Recipe()),
    "network": Step("_conv_stem", 0, Plan(epochs=14, rate=2e-3, rates={"body": 3e-4}), Recipe()),
}


def within(depth: Depth, minutes: float, pictures: int, seed: int) -> Step:
    """The step of the ladder that fits into so many minutes for so many pictures: fewer views, fewer epochs.

    Two fifths of the time may go into looking at views, at 60 a second; 0 minutes set no limit.
    """
    step = LADDER[depth]
    views = round(0.4 * 60 * minutes * _LOOKS / max(1, pictures)) if minutes else step.views
    plan = replace(step.plan, minutes=minutes, seed=seed)
    return replace(step, plan=plan, views=max(2, min(views, step.views)))


@dataclass(frozen=True)
class Adapted:
    """The artifact's folder, the encoder it holds, fine@1 on the photos held out before and after, their places."""

    folder: Path
    encoder: Builtin
    before: float
    after: float
    held: tuple[int, ...]
    outcome: Outcome


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
    started, step, products = time.monotonic(), step or LADDER[depth], _products(shown)
    network, encoder = read_network(parent), Builtin.load(str(parent))
    work.mkdir(parents=True, exist_ok=True)
    source = _source(shown, step, parent, encoder.preprocessing, work, progress)
    again = np.array([one.how == "rephotographed" for one in shown])
    held = held_out(shown)
    judge = Judge(source, held if held.any() else again)
    body = Tail(network, network.names.index(step.first)) if step.first else nn.Identity()
    seen = believed(see(body, source, again, np.flatnonzero(~held & source.queries)))
    photos = seen.rows[seen.queries]
    learner = Recogniser(body, *begin(seen, products, step.dim, step.plan.seed), step.recipe)
    before = judge.raw(body)
    batch, steps = batches(source, again, photos, size=step.batch, seed=step.plan.seed)
    checkpoint = work / f"checkpoint-{depth}"
    left = step.plan.minutes and max(0.1, step.plan.minutes - (time.monotonic() - started) / 60)
    plan = replace(step.plan, minutes=left)
    outcome = train(learner, batch, steps, plan, score=judge.score, kept=checkpoint, told=told)
    best = outcome.module
    assert isinstance(best, Recogniser)
    after = judge.score(best)
    facts: dict[str, object] = {
        "command": command,
        "seed": step.plan.seed,
        "data_sha256": _data(shown, source),
        "recipe": asdict(step),
        "photos": {"held_out": int(held.sum()), "not_believed": int((~held & source.queries).sum() - len(photos))},
        "metrics": {"judged_on": len(judge.photos), "fine_at_1_raw": before, "fine_at_1_learnt": after},
        "calibration": judge.calibration(best),
    }
    if isinstance(best.body, Tail):
        written = write_artifact(folder, best.body.network, best.heads, facts, parent=parent)
    else:
        written = write_heads(folder, best.heads, facts, parent=parent)
    return Adapted(folder, written, before, after, tuple(np.flatnonzero(held).tolist()), outcome)


def _products(shown: Sequence[Shown]) -> int:
    """One more than the largest number of a product. Raises BadInput where there is nothing to tell apart."""
    studio = {one.product for one in shown if one.how == "studio"}
    if len(studio) < 2:
        raise BadInput(f"there are pictures of {len(studio)} product(s); learning needs two at the least")
    strange = {one.product for one in shown} - studio
    if strange:
        raise BadInput(f"{len(strange)} product(s) of the photos have no catalogue picture; add these first")
    if all(one.how == "studio" for one in shown):
        raise BadInput("there is nothing but studio pictures; give photos, or have the pictures photographed again")
    return max(studio) + 1


def _source(
    shown: Sequence[Shown],
    step: Step,
    parent: Path,
    preprocessing: Preprocessing,
    work: Path,
    progress: Progress | None,
) -> Maps | Live:
    if step.first == "_conv_stem":
        return Live(shown, preprocessing, step.plan.seed)
    front = front_of(parent / "model.onnx", step.first, torch.get_num_threads())
    file = work / f"maps{step.first or '-pooled'}.f16"
    threads, seed = torch.get_num_threads(), step.plan.seed
    return make_maps(shown, front, preprocessing, file, views=step.views, seed=seed, threads=threads, progress=progress)


def _data(shown: Sequence[Shown], source: Maps | Live) -> str:
    """sha256 of what was learnt from: the pixels of each picture, and whose it is."""
    digest = hashlib.sha256(source.products.tobytes())
    for one in shown:
        digest.update(one.load().tobytes())
    return digest.hexdigest()
