"""Virtual IDs: classes that nobody labeled, found in who clicked what together.

After Zhang et al., "Virtual ID Discovery from E-commerce Media at Alibaba" (arXiv 2102.04667). Two items that one photo
clicked are co-clicked; the graph is embedded (DeepWalk in closed form: a factorisation of the shifted positive mutual
information of short walks, Qiu et al., arXiv 1710.02971), the embedding clustered, and the cluster is the item's
Virtual ID. A photo takes the Virtual ID of what it clicked most. The graph of leaf categories is made alike, from the
categories of what was clicked (`by_leaf`). Embedding and clustering are ours: the paper publishes neither.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from snapfind.training.data.click_log import Search

__all__ = ["by_leaf", "cluster", "co_clicks", "embed", "virtual_ids"]

_WALK = 4  # steps of a walk within which two nodes meet
_SHIFT = 1.0  # negative samples of skip-gram: the mutual information is taken less log of it


def virtual_ids(
    searches: Sequence[Search], photos: int, items: int, count: int, *, dim: int = 32, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Virtual IDs 0..count-1 of items (items,) and photos (photos,); -1 where nothing was clicked."""
    graph = co_clicks(searches, items)
    known = graph.sum(axis=1) > 0
    own = np.full(items, -1, np.int64)
    if known.any():
        own[known] = cluster(embed(graph[np.ix_(known, known)], dim), min(count, int(known.sum())), seed)
    votes = np.zeros((photos, count), np.int64)
    for search in searches:
        for item in search.clicked:
            if own[item] >= 0:
                votes[search.photo, own[item]] += 1
    return own, np.where(votes.any(axis=1), votes.argmax(axis=1), -1)


def by_leaf(searches: Sequence[Search], leaves: NDArray[np.int64]) -> list[Search]:
    """The same searches with leaf categories in place of items; `leaves` (items,) is the category of each."""
    return [
        replace(search, shown=tuple(leaves[list(search.shown)]), clicked=tuple(leaves[list(search.clicked)]))
        for search in searches
    ]


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


def cluster(points: NDArray[np.float32], count: int, seed: int) -> NDArray[np.int64]:
    """(n, d) -> (n,) cluster of each, 0..count-1: k-means of directions, since lengths say how often was clicked."""
    rows = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
    count = min(count, len(np.unique(rows.round(6), axis=0)))
    found: NDArray[np.int64] = KMeans(count, random_state=seed).fit_predict(rows).astype(np.int64)
    return found
