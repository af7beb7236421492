"""Compare and calibrate: a comparator over chunks of 8, an absolute relevance beside it, learned from clicks.

After Pailitao-VL (arXiv 2602.13704): candidates are compared inside a chunk, judged each alone by a calibrated score,
and merged. How the two are merged and learned is not published to us: the merge is that of `search/rerank/base.py`; the
comparator is a small self-attention network under a listwise softmax of clicks weighted by the inverse chance that
their place was looked at (Joachims et al., arXiv 1608.04468); the judge a pointwise network whose chance, times that of
looking, is the chance of a click. (The inverse weights in a pointwise cross entropy make weights of "not clicked"
negative, and its loss has no floor.)
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from snapfind.core.errors import BadInput
from snapfind.encoders.arrays import check_finite
from snapfind.search.rerank.base import CHUNK, merge
from snapfind.training.loop import TrainingConfig, train

__all__ = ["Lists", "Listwise", "ListwiseConfig", "examination", "fit_lists", "order_of"]

_MOST_WEIGHT = 10.0  # an inverse propensity is cut there: less variance for a little bias
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Lists:
    """q lists of n candidates in the order of the first search: `features` (q, n, d) float32, `relevant` (q, n) bool
    hidden truth; `clicked` (q, n) bool and `position` (q, n) from 0, where each stood when it was shown.
    """

    features: NDArray[np.float32]
    relevant: NDArray[np.bool_]
    clicked: NDArray[np.bool_]
    position: NDArray[np.int64]

    def take(self, rows: slice) -> "Lists":
        """Those lists."""
        return Lists(self.features[rows], self.relevant[rows], self.clicked[rows], self.position[rows])


@dataclass(frozen=True, slots=True)
class ListwiseConfig:
    """How to train: chunks in a batch, steps of an epoch."""

    size: int = 64
    steps: int = 50
    plan: TrainingConfig = field(default_factory=lambda: TrainingConfig(epochs=12, rate=3e-3, average=0.97, patience=3))


class Listwise(nn.Module):
    """`compare` (c, n, d) -> (c, n) scores inside each chunk; `judge` (m, d) -> (m,) logits of relevance."""

    def __init__(self, features: int, width: int = 32, heads: int = 2) -> None:
        super().__init__()
        self.enter = nn.Linear(features, width)
        self.attend = nn.ModuleList(nn.MultiheadAttention(width, heads, batch_first=True) for _ in range(2))
        self.spread = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)) for _ in range(2)
        )
        self.leave = nn.Linear(width, 1)
        self.alone = nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.worth = nn.Linear(width, 1)

    def compare(self, chunks: Tensor) -> Tensor:
        """No place is told: an order of the input changes nothing but the order of the output."""
        x = self.enter(chunks)
        for attend, spread in zip(self.attend, self.spread):
            x = x + attend(x, x, x, need_weights=False)[0]
            x = x + spread(x)
        return self.leave(x)[:, :, 0]

    def judge(self, features: Tensor) -> Tensor:
        """Each candidate for itself."""
        return self.worth(self.alone(features))[..., 0]

    def forward(self, chunks: Tensor, clicked: Tensor, looked: Tensor) -> Tensor:
        """(c, n, d) chunks, (c, n) 0 or 1, (c, n) chance that the place was looked at -> loss."""
        weights = clicked * (1 / looked).clamp(max=_MOST_WEIGHT)
        there = weights.any(dim=1)
        compared = -(self.compare(chunks).log_softmax(dim=1) * weights).sum(dim=1)
        lists = compared[there].mean() if there.any() else compared.sum() * 0.0
        chance = (self.judge(chunks).sigmoid() * looked).clamp(_LEAST, 1 - _LEAST)
        return lists + functional.binary_cross_entropy(chance, clicked)


def examination(lists: Lists) -> NDArray[np.float64]:
    """(n,) chance that a place is looked at, relative to the first, from lists that were shown in a random order.

    There every place holds things of the same worth, so clicks differ by looking alone. Made to fall along the list
    by pooling adjacent violators.
    """
    clicks = np.bincount(lists.position.ravel(), weights=lists.clicked.ravel().astype(float))
    blocks: list[tuple[float, int]] = []
    for one in clicks:
        blocks.append((float(one), 1))
        while len(blocks) > 1 and blocks[-2][0] < blocks[-1][0]:
            (left, long), (right, short) = blocks[-2:]
            blocks[-2:] = [((left * long + right * short) / (long + short), long + short)]
    fallen = np.concatenate([np.full(length, value) for value, length in blocks])
    found: NDArray[np.float64] = np.clip(fallen / max(fallen[0], 1e-9), 1e-2, 1.0)
    return found


def fit_lists(
    lists: Lists, chosen_by: Lists, examination: NDArray[np.float64] | None, recipe: ListwiseConfig | None = None
) -> Listwise:
    """Learn from clicks; `examination` (n,) 0..1 of each place, None: every click counts 1.

    The epoch is the one whose loss on `chosen_by` is least. Raises BadInput without a click, with lists shorter than a
    chunk, and where a feature is no number.
    """
    if min(lists.features.shape[1], chosen_by.features.shape[1]) < CHUNK:
        raise BadInput(f"lists of fewer than {CHUNK} candidates have no chunk to compare; show more")
    for part in (lists, chosen_by):
        check_finite(part.features, "lists")
    if not lists.clicked.any():
        raise BadInput("no list of the log has a click; collect more, or rank by the first search")
    recipe = recipe or ListwiseConfig()
    torch.manual_seed(recipe.plan.seed)
    module = Listwise(lists.features.shape[2])
    parts, other = _chunks(lists, examination), _chunks(chosen_by, examination)

    def batch(epoch: int, step: int) -> tuple[Tensor, ...]:
        rows = np.random.default_rng([recipe.plan.seed, epoch, step]).integers(len(parts[0]), size=recipe.size)
        return tuple(part[rows] for part in parts)

    @torch.no_grad()
    def score(trained: nn.Module) -> float:
        return -float(trained(*other))

    best = train(module, batch, recipe.steps, recipe.plan, score=score).module
    assert isinstance(best, Listwise)
    return best


def _chunks(lists: Lists, examination: NDArray[np.float64] | None) -> tuple[Tensor, ...]:
    """(c, 8, d) chunks in the order of the first search, (c, 8) clicks, (c, 8) chance that each place was looked at."""
    looked = np.ones(lists.position.max() + 1) if examination is None else examination
    whole = lists.features.shape[1] // CHUNK * CHUNK
    features = lists.features[:, :whole].reshape(-1, CHUNK, lists.features.shape[2])
    sides = (lists.clicked.astype(np.float32), looked[lists.position].astype(np.float32))
    return torch.from_numpy(features), *(torch.from_numpy(side[:, :whole].reshape(-1, CHUNK)) for side in sides)


@torch.no_grad()
def order_of(
    module: Listwise, features: NDArray[np.float32], *, epsilon: float
) -> tuple[list[int], NDArray[np.float64]]:
    """(n, d) candidates of one list, in the order of the first search -> their new order, and (n,) chance 0..1
    that each is clicked when it is looked at."""
    given = torch.from_numpy(np.ascontiguousarray(features))
    worth = module.judge(given).sigmoid().numpy().astype(np.float64)
    chunks: list[Sequence[int]] = []
    for at in range(0, len(features), CHUNK):
        said = module.compare(given[None, at : at + CHUNK])[0].numpy()
        chunks.append([at + int(place) for place in np.argsort(-said, kind="stable")])
    return merge({place: float(value) for place, value in enumerate(worth)}, chunks, epsilon), worth
