"""Features from clicks: classification on Virtual IDs, triplets and lists, learned together.

After Zhang et al., "Virtual ID Discovery from E-commerce Media at Alibaba" (arXiv 2102.04667): virtual_ids.py makes the
classes, triplets.py mines what was passed over, leaves.py adds the categories. Weights of the parts and the form of the
list loss, a softmax of the first click against what was shown, are ours: the paper publishes neither.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from snapfind.training.data.click_log import Search
from snapfind.training.losses.margin import Prototypes, margin_loss
from snapfind.training.methods.virtual_categories import Leaves
from snapfind.training.models.heads import Heads

__all__ = ["ClickLearner", "Clicked", "Weights", "click_batches"]


@dataclass(frozen=True, slots=True)
class Weights:
    """Of three parts of the loss; those of the categories are in `Shares`."""

    classes: float = 1.0
    triplets: float = 1.0
    lists: float = 0.5
    margin: float = 0.2
    scale: float = 16.0


@dataclass(frozen=True)
class Clicked:
    """A log to learn from: unit rows of `photos` and of `items`, their Virtual IDs (-1 for none), and triplets.

    `leaves` (items,) are the categories of the items and `virtual` (photos,) the Virtual IDs of the photos among the
    categories; without them nothing is learned of categories.
    """

    searches: Sequence[Search]
    photos: NDArray[np.float32]
    items: NDArray[np.float32]
    item_ids: NDArray[np.int64]
    photo_ids: NDArray[np.int64]
    triplets: NDArray[np.int64]
    leaves: NDArray[np.int64] | None = None
    virtual: NDArray[np.int64] | None = None


class ClickLearner(nn.Module):
    """`forward` is the joint loss of a batch: Virtual IDs, triplets, lists of clicks, categories of photos."""

    def __init__(self, heads: Heads, prototypes: Prototypes, weights: Weights, leaves: Leaves | None = None) -> None:
        super().__init__()
        self.heads, self.prototypes, self.weights, self.leaves = heads, prototypes, weights, leaves

    def forward(
        self, features: Tensor, queries: Tensor, ids: Tensor, triplets: Tensor, lists: Tensor, kinds: Tensor
    ) -> Tensor:
        """(n, width) features, (n,) bool, (n,) int64 with -1 for none; places in the batch: (t, 3) triplets and
        (l, 1 + k) lists, a photo and k shown items, those clicked first in front, padded with -1; (l, 4) what
        `Leaves` takes of the first l photos."""
        vectors, weights = self.heads(features, queries), self.weights
        loss = vectors.sum() * 0.0
        known = ids >= 0
        if weights.classes and known.any():
            cosines = self.prototypes(vectors[known])
            loss = loss + weights.classes * margin_loss(cosines, ids[known], scale=weights.scale)
        if weights.triplets and len(triplets):
            photo, near, far = (vectors[triplets[:, place]] for place in range(3))
            gap = (photo * far).sum(1) - (photo * near).sum(1) + weights.margin
            loss = loss + weights.triplets * functional.relu(gap).mean()
        if weights.lists and len(lists):
            loss = loss + weights.lists * self._in_order(vectors, lists)
        return loss if self.leaves is None else loss + self.leaves(vectors[: len(kinds)], *kinds.T)

    @torch.no_grad()
    def vectors(self, seen: Tensor, *, query: bool, batch: int = 256) -> Tensor:
        """(n, width) features -> unit rows (n, dim) in one role."""
        seen = seen.to(self.heads.query.device)
        rows = torch.full((batch,), query, device=seen.device)
        return torch.cat([self.heads(part, rows[: len(part)]) for part in seen.split(batch)])

    def _in_order(self, vectors: Tensor, lists: Tensor) -> Tensor:
        """Listwise softmax (Plackett and Luce's first choice): what was clicked first against all that was shown."""
        there = lists[:, 1:] >= 0
        scores = (vectors[lists[:, :1]] * vectors[lists[:, 1:].clamp(min=0)]).sum(2) * self.weights.scale
        first = torch.zeros(len(lists), dtype=torch.int64, device=lists.device)
        return functional.cross_entropy(scores.masked_fill(~there, -torch.inf), first)


def click_batches(
    clicked: Clicked, *, size: int, seed: int, shown: int = 6
) -> tuple[Callable[[int, int], tuple[Tensor, ...]], int]:
    """Batches for ClickLearner and how many there are: `size` searches, `shown` items that each passed over, and as
    many triplets."""
    photos, items = torch.from_numpy(clicked.photos), torch.from_numpy(clicked.items)
    item_ids, photo_ids = torch.from_numpy(clicked.item_ids), torch.from_numpy(clicked.photo_ids)
    searches, triplets = clicked.searches, clicked.triplets

    def batch(epoch: int, step: int) -> tuple[Tensor, ...]:
        rng = np.random.default_rng([seed, epoch, step])
        chosen = [searches[int(place)] for place in rng.integers(len(searches), size=size)]
        three = triplets[rng.integers(len(triplets), size=size)] if len(triplets) else triplets
        lists = [
            [search.clicked[0], *[item for item in search.shown if item not in search.clicked][:shown]]
            for search in chosen
        ]
        asked = [search.photo for search in chosen] + three[:, 0].tolist()
        listed = [item for own in lists for item in own] + three[:, 1:].ravel().tolist()
        rows = torch.cat([photos[asked], items[listed]])
        queries = torch.arange(len(rows)) < len(asked)
        places = iter(range(len(asked), len(rows)))
        ordered = torch.full((size, 2 + shown), -1)
        for row, own in enumerate(lists):
            ordered[row, : 1 + len(own)] = torch.tensor([row, *(next(places) for _ in own)])
        pairs = torch.tensor(list(places), dtype=torch.int64).reshape(-1, 2)
        marked = torch.cat([torch.arange(size, size + len(three))[:, None], pairs], dim=1)
        ids = torch.cat([photo_ids[asked], item_ids[listed]])
        return rows, queries, ids, marked, ordered, _kinds(clicked, chosen)

    return batch, max(1, len(searches) // size)


def _kinds(clicked: Clicked, chosen: Sequence[Search]) -> Tensor:
    """(l, 4) int64: Virtual ID among the categories, leaf of the first click, tab shown, tab changed to."""
    leaves, virtual = clicked.leaves, clicked.virtual
    if leaves is None or virtual is None:
        return torch.full((len(chosen), 4), -1)
    told = [(virtual[one.photo], leaves[one.clicked[0]], one.tab, one.switched) for one in chosen]
    return torch.tensor(told, dtype=torch.int64)
