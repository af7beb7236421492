"""Virtual IDs from clicks: classes that nobody labelled, found in who clicked what together.

After Zhang et al., "Virtual ID Discovery from E-commerce Media at Alibaba" (arXiv 2102.04667) and "Visual Search at
Alibaba" (arXiv 2102.04674). Two items that one search clicked are co-clicked; the graph is embedded (DeepWalk in closed
form: a factorisation of the shifted positive mutual information of short walks, Qiu et al., arXiv 1710.02971), the
embedding clustered, and the cluster is the item's Virtual ID. A photo takes the Virtual ID of what it clicked. Features
learn jointly: classification on Virtual IDs, triplets of clicked and passed-over items cleaned by their distance, and a
list loss in the order of clicks. Weights and forms that the papers do not publish are ours.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from snapfind.learn.heads import Heads
from snapfind.learn.margins import Prototypes, margin_loss

__all__ = [
    "ClickLearner",
    "Search",
    "Weights",
    "clean_triplets",
    "click_batches",
    "cluster",
    "co_clicks",
    "embed",
    "virtual_ids",
]

_WALK = 4  # steps of a walk within which two items meet
_SHIFT = 1.0  # negative samples of skip-gram: the mutual information is taken less log of it


@dataclass(frozen=True, slots=True)
class Search:
    """One search in the log: the photo's number, the items shown in order, and which were clicked, in order."""

    photo: int
    shown: tuple[int, ...]
    clicked: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Weights:
    """Of the three parts of the loss."""

    classes: float = 1.0
    triplets: float = 1.0
    lists: float = 0.5
    margin: float = 0.2
    scale: float = 16.0


def co_clicks(searches: Sequence[Search], items: int) -> NDArray[np.float32]:
    """(items, items) symmetric: how often two items were clicked in one search or by the same photo."""
    clicks: dict[int, set[int]] = {}
    for search in searches:
        clicks.setdefault(search.photo, set()).update(search.clicked)
    graph = np.zeros((items, items), np.float32)
    for own in clicks.values():
        rows = np.array(sorted(own), np.int64)
        if len(rows) > 1:
            graph[np.ix_(rows, rows)] += 1.0 / (len(rows) - 1)  # a photo that clicks everything says little
    np.fill_diagonal(graph, 0)
    return graph


def embed(graph: NDArray[np.float32], dim: int) -> NDArray[np.float32]:
    """(items, items) co-clicks -> (items, dim); an item without any stays at the origin."""
    degrees = graph.sum(axis=1)
    steps = graph / np.maximum(degrees, 1e-9)[:, None]
    walk, power = np.zeros_like(steps), np.eye(len(steps), dtype=np.float32)
    for _ in range(_WALK):
        power = power @ steps
        walk += power / _WALK
    information = walk * degrees.sum() / np.maximum(degrees, 1e-9)[None, :] / _SHIFT
    positive = np.log(np.maximum(information, 1.0))
    left, values, _ = np.linalg.svd((positive + positive.T) / 2)
    found: NDArray[np.float32] = (left[:, :dim] * np.sqrt(values[:dim])).astype(np.float32)
    return found


def cluster(points: NDArray[np.float32], count: int, seed: int, rounds: int = 40) -> NDArray[np.int64]:
    """(n, d) -> (n,) cluster of each, 0..count-1: spherical k-means, begun by k-means++."""
    rng = np.random.default_rng(seed)
    rows = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
    centres = rows[rng.integers(len(rows), size=1)]
    for _ in range(1, count):
        far = np.clip(1 - (rows @ centres.T).max(axis=1), 1e-9, None)
        centres = np.vstack([centres, rows[rng.choice(len(rows), p=far / far.sum())]])
    for _ in range(rounds):
        own = (rows @ centres.T).argmax(axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, own, rows)
        empty = np.linalg.norm(sums, axis=1) < 1e-6
        sums[empty] = rows[rng.integers(len(rows), size=int(empty.sum()))]
        centres = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    found: NDArray[np.int64] = (rows @ centres.T).argmax(axis=1)
    return found


def virtual_ids(
    searches: Sequence[Search], photos: int, items: int, count: int, *, dim: int = 32, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Virtual IDs 0..count-1 of items (items,) and photos (photos,); -1 where nothing was clicked."""
    graph = co_clicks(searches, items)
    known = graph.sum(axis=1) > 0
    own = np.full(items, -1, np.int64)
    own[known] = cluster(embed(graph[np.ix_(known, known)], dim), min(count, int(known.sum())), seed)
    votes = np.zeros((photos, count), np.int64)
    for search in searches:
        for item in search.clicked:
            if own[item] >= 0:
                votes[search.photo, own[item]] += 1
    return own, np.where(votes.any(axis=1), votes.argmax(axis=1), -1)


def clean_triplets(
    searches: Sequence[Search], photos: NDArray[np.float32], items: NDArray[np.float32], own: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(t, 3) photo, clicked item, item that was shown above the click and passed over; unit rows in.

    Noise is taken out as in Pailitao: a negative of the same Virtual ID is none, and a positive farther from the photo
    than nine in ten clicks is an accident.
    """
    found = [
        (search.photo, item, passed)
        for search in searches
        for item in search.clicked
        for passed in search.shown[: search.shown.index(item)]
        if passed not in search.clicked and (own[passed] < 0 or own[passed] != own[item])
    ]
    triplets = np.array(found, np.int64).reshape(-1, 3)
    near = (photos[triplets[:, 0]] * items[triplets[:, 1]]).sum(axis=1)
    return triplets[near >= np.quantile(near, 0.1)] if len(near) else triplets


class ClickLearner(nn.Module):
    """`forward` is the joint loss of a batch: photos and items with Virtual IDs, triplets, and lists of clicks."""

    def __init__(self, heads: Heads, prototypes: Prototypes, weights: Weights) -> None:
        super().__init__()
        self.heads, self.prototypes, self.weights = heads, prototypes, weights

    def forward(self, features: Tensor, queries: Tensor, ids: Tensor, triplets: Tensor, lists: Tensor) -> Tensor:
        """(n, width) features, (n,) bool, (n,) int64 with -1 for none; places in the batch: (t, 3) triplets and
        (l, 1 + k) lists, a photo and k shown items, those clicked first in front, padded with -1."""
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
        return loss

    @torch.no_grad()
    def vectors(self, seen: Tensor, *, query: bool, batch: int = 256) -> Tensor:
        """(n, width) features -> unit rows (n, dim) in one role."""
        rows = torch.full((batch,), query, device=seen.device)
        return torch.cat([self.heads(part, rows[: len(part)]) for part in seen.split(batch)])

    def _in_order(self, vectors: Tensor, lists: Tensor) -> Tensor:
        """Listwise softmax (Plackett and Luce's first choice): what was clicked first against all that was shown."""
        there = lists[:, 1:] >= 0
        scores = (vectors[lists[:, :1]] * vectors[lists[:, 1:].clamp(min=0)]).sum(2) * self.weights.scale
        first = torch.zeros(len(lists), dtype=torch.int64, device=lists.device)
        return functional.cross_entropy(scores.masked_fill(~there, -torch.inf), first)


def click_batches(
    searches: Sequence[Search],
    features: tuple[NDArray[np.float32], NDArray[np.float32]],
    ids: tuple[NDArray[np.int64], NDArray[np.int64]],
    triplets: NDArray[np.int64],
    *,
    size: int,
    seed: int,
    shown: int = 6,
) -> tuple[Callable[[int, int], tuple[Tensor, ...]], int]:
    """Batches for ClickLearner and how many there are: `size` searches and as many triplets each.

    `features` of photos and of items, `ids` of items and of photos as `virtual_ids` gives them.
    """
    photos, items = (torch.from_numpy(side) for side in features)
    own_items, own_photos = (torch.from_numpy(side) for side in ids)

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
        return rows, queries, torch.cat([own_photos[asked], own_items[listed]]), marked, ordered

    return batch, max(1, len(searches) // size)
