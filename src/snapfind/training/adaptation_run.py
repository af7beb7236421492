"""A course: what every method that adapts the encoder does before its own loss, and after.

Before: pictures are checked and looked at, one photo in ten is held out, a judge is appointed. After: the scores are
calibrated on what was held out, and the artifact is written with what it was learnt from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from snapfind.core.errors import BadInput
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.image.preprocess import Preprocessing
from snapfind.training.checkpoint import fingerprint
from snapfind.training.data.augmentation import Shown
from snapfind.training.data.feature_cache import Live, Maps, front_of, make_maps, print_of
from snapfind.training.export import SHIPPED, write_artifact, write_heads
from snapfind.training.loop import Outcome
from snapfind.training.models.adaptation import Tail
from snapfind.training.models.efficientnet import Network, read_network
from snapfind.training.models.heads import Heads
from snapfind.training.validation import Judge, Sided, held_out

__all__ = ["Adapted", "Course", "Depth", "close_course", "first_block", "open_course"]

Progress = Callable[[int, int], None]
Depth = Literal["heads", "layer", "blocks", "network"]


@dataclass(frozen=True)
class Course:
    """What a method learns with: `source` of views, `body` that makes features of them, the `judge`.

    `held` and `again` (n,) bool: pictures held out, and those that are photographed again. `products` are counted.
    `data` is the sha256 of what is learnt from, `sign` that of this beside everything else that the course was opened
    with.
    """

    shown: Sequence[Shown]
    parent: Path
    source: Maps | Live
    body: nn.Module
    judge: Judge
    held: NDArray[np.bool_]
    again: NDArray[np.bool_]
    products: int
    before: float
    data: str
    sign: str

    @property
    def photos(self) -> NDArray[np.int64]:
        """Places of the photos that may be learnt from."""
        return np.flatnonzero(~self.held & self.source.queries)


@dataclass(frozen=True)
class Adapted:
    """The artifact's folder, the encoder it holds, fine@1 on the photos held out before and after, their places."""

    folder: Path
    encoder: Builtin
    before: float
    after: float
    held: tuple[int, ...]
    outcome: Outcome | None


def open_course(
    shown: Sequence[Shown],
    work: Path,
    *,
    depth: Depth,
    views: int,
    seed: int,
    parent: Path = SHIPPED,
    progress: Progress | None = None,
) -> Course:
    """Looks at `views` views of every picture with what does not learn at that depth; `work` keeps the maps.

    Raises BadInput on fewer than two products, products without a studio picture, nothing but studio pictures, or
    fewer than five photos where nothing is photographed again.
    """
    products, network, encoder = _products(shown), read_network(parent), Builtin.load(str(parent))
    again, held = np.array([one.how == "rephotographed" for one in shown]), held_out(shown)
    if not held.any() and not again.any():
        photos = sum(one.how == "photo" for one in shown)
        raise BadInput(f"{photos} photo(s) are too few to learn from and to judge by; give five at the least")
    work.mkdir(parents=True, exist_ok=True)
    data = print_of(shown, torch.get_num_threads())
    sign = fingerprint(data, encoder.raw_id, depth, views, seed)
    first = first_block(depth, network)
    source = _source(shown, data, depth, first, views, seed, parent, encoder.preprocessing, work, progress)
    judge = Judge(source, held if held.any() else again)
    body = Tail(network, network.names.index(first)) if first else nn.Identity()
    return Course(shown, parent, source, body, judge, held, again, products, judge.raw(body), data, sign)


def first_block(depth: Depth, network: Network) -> str:
    """Name of the first block that learns: none ("") for heads, the last, that of the last stage, the stem."""
    return {"heads": "", "layer": network.names[-1], "blocks": network.last_stage, "network": network.names[0]}[depth]


def close_course(
    course: Course,
    learner: Sided,
    heads: Heads,
    body: nn.Module,
    outcome: Outcome | None,
    folder: Path,
    facts: Mapping[str, object],
) -> Adapted:
    """Judges, calibrates and writes the artifact into `folder`; `facts` go into its manifest."""
    after = course.judge.score(learner)
    told: dict[str, object] = {
        **facts,
        "data_sha256": course.data,
        "metrics": {
            "judged_on": len(course.judge.photos),
            "fine_at_1_raw": course.before,
            "fine_at_1_learnt": after,
        },
        "calibration": course.judge.calibration(learner),
    }
    if isinstance(body, Tail):
        written = write_artifact(folder, body.network, heads, told, parent=course.parent)
    else:
        written = write_heads(folder, heads, told, parent=course.parent)
    return Adapted(folder, written, course.before, after, tuple(np.flatnonzero(course.held).tolist()), outcome)


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
    data: str,
    depth: Depth,
    first: str,
    views: int,
    seed: int,
    parent: Path,
    preprocessing: Preprocessing,
    work: Path,
    progress: Progress | None,
) -> Maps | Live:
    if depth == "network":
        return Live(shown, preprocessing, seed)
    threads = torch.get_num_threads()
    front = front_of(parent / "model.onnx", first, threads)
    file = work / f"maps{first or '-pooled'}.f16"
    how = {"views": views, "seed": seed, "threads": threads}
    return make_maps(shown, front, preprocessing, file, of=data, progress=progress, **how)
