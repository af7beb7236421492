"""Training on clicks: joint loss of Virtual ID classification, triplets and result lists.

After Zhang et al., "Virtual ID Discovery from E-commerce Media at Alibaba" (arXiv 2102.04667). virtual_ids.py makes the
classes, losses/triplets.py the triplets, virtual_categories.py adds the categories. The weights of the parts and the
list loss, a softmax of the first click against the results, are ours because the paper publishes neither.
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
    """Weights of the parts of the loss. Those of the categories are in `Shares`.

    Attributes:
        classes: Weight of the Virtual ID classification.
        triplets: Weight of the triplets.
        lists: Weight of the result lists.
        margin: Margin of the triplets, in cosines.
        scale: Factor of the cosines in the softmax.
    """

    classes: float = 1.0
    triplets: float = 1.0
    lists: float = 0.5
    margin: float = 0.2
    scale: float = 16.0


@dataclass(frozen=True)
class Clicked:
    """Training data of a click log.

    Attributes:
        searches: The searches.
        photos: (p, width) float32 unit rows of the photos.
        items: (i, width) float32 unit rows of the items.
        item_ids: (i,) int64 Virtual IDs of the items, -1 for none.
        photo_ids: (p,) int64 Virtual IDs of the photos, -1 for none.
        triplets: (t, 3) int64 rows of photo, positive and negative.
        leaves: (i,) int64 categories of the items, or None to train without categories.
        virtual: (p,) int64 Virtual IDs of the photos among the categories, or None.
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
    """Heads and prototypes with the joint loss of a click log.

    Args:
        heads: Maps features to (n, dim) vectors.
        prototypes: One vector per Virtual ID.
        weights: Weights of the parts of the loss.
        leaves: Loss of the categories, or None.
    """

    def __init__(self, heads: Heads, prototypes: Prototypes, weights: Weights, leaves: Leaves | None = None) -> None:
        super().__init__()
        self.heads, self.prototypes, self.weights, self.leaves = heads, prototypes, weights, leaves

    def forward(
        self, features: Tensor, queries: Tensor, ids: Tensor, triplets: Tensor, lists: Tensor, kinds: Tensor
    ) -> Tensor:
        """Return the joint loss of a batch.

        Args:
            features: (n, width) features.
            queries: (n,) bool, True for photos.
            ids: (n,) int64 Virtual IDs, -1 for none.
            triplets: (t, 3) rows of the batch: photo, positive, negative.
            lists: (l, 1 + k) rows of the batch: a photo, the item that was clicked first, then skipped items, padded
                with -1.
            kinds: (l, 4) inputs of `Leaves` for the first l photos.

        Returns:
            Scalar loss.
        """
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
    def vectors(self, features: Tensor, *, query: bool, batch: int = 256) -> Tensor:
        """Return (n, dim) unit rows of (n, width) features in the role of photos (`query`) or of catalog images."""
        features = features.to(self.heads.query.device)
        rows = torch.full((batch,), query, device=features.device)
        return torch.cat([self.heads(part, rows[: len(part)]) for part in features.split(batch)])

    def _in_order(self, vectors: Tensor, lists: Tensor) -> Tensor:
        """Listwise softmax (first choice of Plackett and Luce): the first click against all listed items."""
        present = lists[:, 1:] >= 0
        scores = (vectors[lists[:, :1]] * vectors[lists[:, 1:].clamp(min=0)]).sum(2) * self.weights.scale
        first = torch.zeros(len(lists), dtype=torch.int64, device=lists.device)
        return functional.cross_entropy(scores.masked_fill(~present, -torch.inf), first)


def click_batches(
    clicked: Clicked, *, size: int, seed: int, skipped: int = 6
) -> tuple[Callable[[int, int], tuple[Tensor, ...]], int]:
    """Make a function that returns batches for `ClickLearner`.

    Args:
        clicked: The training data.
        size: Searches per batch, and triplets per batch.
        seed: Random seed.
        skipped: Skipped items per search.

    Returns:
        A function (epoch, batch number) -> the arguments of `ClickLearner.forward`, and the number of batches per
        epoch.
    """
    photos, items = torch.from_numpy(clicked.photos), torch.from_numpy(clicked.items)
    item_ids, photo_ids = torch.from_numpy(clicked.item_ids), torch.from_numpy(clicked.photo_ids)
    searches, triplets = clicked.searches, clicked.triplets

    def batch(epoch: int, step: int) -> tuple[Tensor, ...]:
        rng = np.random.default_rng([seed, epoch, step])
        chosen = [searches[int(place)] for place in rng.integers(len(searches), size=size)]
        drawn_triplets = triplets[rng.integers(len(triplets), size=size)] if len(triplets) else triplets
        lists = [
            [search.clicked[0], *[item for item in search.results if item not in search.clicked][:skipped]]
            for search in chosen
        ]
        batch_photos = [search.photo for search in chosen] + drawn_triplets[:, 0].tolist()
        batch_items = [item for own in lists for item in own] + drawn_triplets[:, 1:].ravel().tolist()
        rows = torch.cat([photos[batch_photos], items[batch_items]])
        queries = torch.arange(len(rows)) < len(batch_photos)
        places = iter(range(len(batch_photos), len(rows)))
        ordered = torch.full((size, 2 + skipped), -1)
        for row, own in enumerate(lists):
            ordered[row, : 1 + len(own)] = torch.tensor([row, *(next(places) for _ in own)])
        pairs = torch.tensor(list(places), dtype=torch.int64).reshape(-1, 2)
        marked = torch.cat([torch.arange(size, size + len(drawn_triplets))[:, None], pairs], dim=1)
        ids = torch.cat([photo_ids[batch_photos], item_ids[batch_items]])
        return rows, queries, ids, marked, ordered, _kinds(clicked, chosen)

    return batch, max(1, len(searches) // size)


def _kinds(clicked: Clicked, chosen: Sequence[Search]) -> Tensor:
    """Return (l, 4) int64 inputs of `Leaves`.

    The columns are the Virtual ID among the categories, the leaf category of the first click, the category at first,
    and the category that the shopper changed to.
    """
    leaves, virtual = clicked.leaves, clicked.virtual
    if leaves is None or virtual is None:
        return torch.full((len(chosen), 4), -1)
    rows = [(virtual[one.photo], leaves[one.clicked[0]], one.tab, one.switched) for one in chosen]
    return torch.tensor(rows, dtype=torch.int64)
