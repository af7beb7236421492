"""Compare and calibrate: a comparator of chunks of 8 candidates and an absolute relevance, both trained on clicks.

After Pailitao-VL (arXiv 2602.13704): candidates are compared within a chunk, scored alone by a calibrated relevance,
and merged. How both are merged and trained is not published. The merge is that of search/rerank/base.py. The comparator
is a small self-attention network with a listwise softmax of clicks, weighted by the inverse examination probability of
their position (Joachims et al., arXiv 1608.04468). The relevance is a pointwise network whose probability times the
examination probability is the click probability. (Inverse weights in a pointwise cross-entropy would make the weight of
"not clicked" negative, so that the loss has no lower bound.)
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

__all__ = ["Lists", "Listwise", "ListwiseConfig", "examination", "fit_lists", "rank"]

_MOST_WEIGHT = 10.0  # largest inverse propensity: less variance for a little bias
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Lists:
    """Result lists of q searches with n candidates each, in the order of the first search.

    Attributes:
        features: (q, n, d) float32 features.
        relevant: (q, n) bool true relevance, known for simulated lists.
        clicked: (q, n) bool clicks.
        position: (q, n) int64 position from 0 at which each candidate was shown.
    """

    features: NDArray[np.float32]
    relevant: NDArray[np.bool_]
    clicked: NDArray[np.bool_]
    position: NDArray[np.int64]

    def take(self, rows: slice) -> "Lists":
        """Return some of the lists."""
        return Lists(self.features[rows], self.relevant[rows], self.clicked[rows], self.position[rows])


@dataclass(frozen=True, slots=True)
class ListwiseConfig:
    """Training configuration.

    Attributes:
        size: Chunks per batch.
        steps: Batches per epoch.
        training: Configuration of the training loop.
    """

    size: int = 64
    steps: int = 50
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(epochs=12, rate=3e-3, average=0.97, patience=3)
    )


class Listwise(nn.Module):
    """Comparator and relevance network. `forward` returns the loss of a batch.

    Args:
        features: Number of features of a candidate.
        width: Width of the layers.
        heads: Attention heads.
    """

    def __init__(self, features: int, width: int = 32, heads: int = 2) -> None:
        super().__init__()
        self.enter = nn.Linear(features, width)
        self.attend = nn.ModuleList(nn.MultiheadAttention(width, heads, batch_first=True) for _ in range(2))
        self.spread = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)) for _ in range(2)
        )
        self.leave = nn.Linear(width, 1)
        self.alone = nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.relevance_head = nn.Linear(width, 1)

    def compare(self, chunks: Tensor) -> Tensor:
        """Score candidates within chunks. Permuting a chunk permutes its scores.

        Args:
            chunks: (c, n, d) features.

        Returns:
            (c, n) scores.
        """
        x = self.enter(chunks)
        for attend, spread in zip(self.attend, self.spread):
            x = x + attend(x, x, x, need_weights=False)[0]
            x = x + spread(x)
        return self.leave(x)[:, :, 0]

    def relevance(self, features: Tensor) -> Tensor:
        """Return the (…,) relevance logits of (…, d) candidates, each scored alone."""
        return self.relevance_head(self.alone(features))[..., 0]

    def forward(self, chunks: Tensor, clicked: Tensor, examined: Tensor) -> Tensor:
        """Return the loss of a batch.

        Args:
            chunks: (c, n, d) features.
            clicked: (c, n) clicks, 0 or 1.
            examined: (c, n) examination probabilities of the positions.

        Returns:
            Scalar loss.
        """
        weights = clicked * (1 / examined).clamp(max=_MOST_WEIGHT)
        has_click = weights.any(dim=1)
        compared = -(self.compare(chunks).log_softmax(dim=1) * weights).sum(dim=1)
        lists = compared[has_click].mean() if has_click.any() else compared.sum() * 0.0
        chance = (self.relevance(chunks).sigmoid() * examined).clamp(_LEAST, 1 - _LEAST)
        return lists + functional.binary_cross_entropy(chance, clicked)


def examination(lists: Lists) -> NDArray[np.float64]:
    """Estimate the examination probability of each position from lists that were shown in random order.

    In random order all positions have the same relevance on average, so clicks differ by examination alone. The
    estimate is made to decrease with the position by isotonic regression (pooling adjacent violators).

    Args:
        lists: Lists shown in random order.

    Returns:
        (n,) float64 probabilities relative to the first position.
    """
    clicks = np.bincount(lists.position.ravel(), weights=lists.clicked.ravel().astype(float))
    blocks: list[tuple[float, int]] = []
    for count in clicks:
        blocks.append((float(count), 1))
        while len(blocks) > 1 and blocks[-2][0] < blocks[-1][0]:
            (left, long), (right, short) = blocks[-2:]
            blocks[-2:] = [((left * long + right * short) / (long + short), long + short)]
    decreasing = np.concatenate([np.full(length, value) for value, length in blocks])
    chances: NDArray[np.float64] = np.clip(decreasing / max(decreasing[0], 1e-9), 1e-2, 1.0)
    return chances


def fit_lists(
    lists: Lists, validation: Lists, examination: NDArray[np.float64] | None, config: ListwiseConfig | None = None
) -> Listwise:
    """Train on clicks. The epoch with the lowest loss on the validation lists is selected.

    Args:
        lists: Training lists.
        validation: Validation lists.
        examination: (n,) examination probabilities of the positions. None: every click counts 1.
        config: Configuration.

    Returns:
        The trained module.

    Raises:
        BadInput: There is no click, lists are shorter than a chunk, or a feature is NaN or infinite.
    """
    if min(lists.features.shape[1], validation.features.shape[1]) < CHUNK:
        raise BadInput(f"Lists of fewer than {CHUNK} candidates have no chunk to compare. Show more candidates.")
    for part in (lists, validation):
        check_finite(part.features, "lists")
    if not lists.clicked.any():
        raise BadInput("No list of the log has a click. Collect more events, or use no reranker.")
    config = config or ListwiseConfig()
    torch.manual_seed(config.training.seed)
    module = Listwise(lists.features.shape[2])
    parts, other = _chunks(lists, examination), _chunks(validation, examination)

    def batch(epoch: int, step: int) -> tuple[Tensor, ...]:
        rows = np.random.default_rng([config.training.seed, epoch, step]).integers(len(parts[0]), size=config.size)
        return tuple(part[rows] for part in parts)

    @torch.no_grad()
    def score(trained: nn.Module) -> float:
        return -float(trained(*other))

    best = train(module, batch, config.steps, config.training, score=score).module
    assert isinstance(best, Listwise)
    return best


def _chunks(lists: Lists, examination: NDArray[np.float64] | None) -> tuple[Tensor, ...]:
    """Return (c, 8, d) chunks in the order of the first search, their clicks, and their examination probabilities."""
    examined = np.ones(lists.position.max() + 1) if examination is None else examination
    length = lists.features.shape[1] // CHUNK * CHUNK
    features = lists.features[:, :length].reshape(-1, CHUNK, lists.features.shape[2])
    sides = (lists.clicked.astype(np.float32), examined[lists.position].astype(np.float32))
    return torch.from_numpy(features), *(torch.from_numpy(side[:, :length].reshape(-1, CHUNK)) for side in sides)


@torch.no_grad()
def rank(module: Listwise, features: NDArray[np.float32], *, epsilon: float) -> tuple[list[int], NDArray[np.float64]]:
    """Rerank a list.

    Args:
        module: The trained module.
        features: (n, d) features of the candidates, in the order of the first search.
        epsilon: Largest difference of two relevances that the comparator may overrule.

    Returns:
        The new order as indices, and (n,) relevance 0..1.
    """
    given = torch.from_numpy(np.ascontiguousarray(features))
    relevances = module.relevance(given).sigmoid().numpy().astype(np.float64)
    chunks: list[Sequence[int]] = []
    for at in range(0, len(features), CHUNK):
        scores = module.compare(given[None, at : at + CHUNK])[0].numpy()
        chunks.append([at + int(place) for place in np.argsort(-scores, kind="stable")])
    return merge({place: float(value) for place, value in enumerate(relevances)}, chunks, epsilon), relevances
