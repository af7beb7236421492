"""Virtual IDs: classes found in the co-click graph, without labels.

After Zhang et al., "Virtual ID Discovery from E-commerce Media at Alibaba" (arXiv 2102.04667). Two items clicked for
one photo are co-clicked. The graph is embedded (DeepWalk in closed form: a factorization of the shifted positive mutual
information of short walks, Qiu et al., arXiv 1710.02971) and clustered, and the cluster is the item's Virtual ID. A
photo gets the Virtual ID that it clicked most. The graph of leaf categories is made in the same way
(`replace_by_categories`). Embedding and clustering are ours because the paper publishes neither.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from snapfind.training.data.click_log import Search

__all__ = ["cluster_directions", "count_co_clicks", "embed_graph", "replace_by_categories", "virtual_ids"]

_WALK = 4  # steps of a walk within which two nodes meet
_SHIFT = 1.0  # negative samples of skip-gram: the mutual information is taken less log of it


def virtual_ids(
    searches: Sequence[Search], photos: int, items: int, count: int, *, dim: int = 32, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the Virtual IDs of items and photos.

    Args:
        searches: Searches with clicks.
        photos: Number of photos.
        items: Number of items.
        count: Number of Virtual IDs.
        dim: Dimension of the graph embedding.
        seed: Random seed.

    Returns:
        (items,) and (photos,) int64 Virtual IDs 0..count-1, -1 without clicks.
    """
    graph = count_co_clicks(searches, items)
    known = graph.sum(axis=1) > 0
    ids = np.full(items, -1, np.int64)
    if known.any():
        ids[known] = cluster_directions(
            embed_graph(graph[np.ix_(known, known)], dim), min(count, int(known.sum())), seed
        )
    votes = np.zeros((photos, count), np.int64)
    for search in searches:
        for item in search.clicked:
            if ids[item] >= 0:
                votes[search.photo, ids[item]] += 1
    return ids, np.where(votes.any(axis=1), votes.argmax(axis=1), -1)


def replace_by_categories(searches: Sequence[Search], leaves: NDArray[np.int64]) -> list[Search]:
    """Replace items by their leaf categories.

    Args:
        searches: Searches with clicks.
        leaves: (items,) int64 category of each item.

    Returns:
        The searches with categories in place of items.
    """
    return [
        replace(search, results=tuple(leaves[list(search.results)]), clicked=tuple(leaves[list(search.clicked)]))
        for search in searches
    ]


def count_co_clicks(searches: Sequence[Search], items: int) -> NDArray[np.float32]:
    """Count how often two items were clicked for the same photo.

    Args:
        searches: Searches with clicks.
        items: Number of items.

    Returns:
        (items, items) symmetric float32. A photo with k clicked items adds 1 / (k - 1) to each pair.
    """
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


def embed_graph(graph: NDArray[np.float32], dim: int) -> NDArray[np.float32]:
    """Embed the co-click graph.

    Args:
        graph: (items, items) co-clicks.
        dim: Number of dimensions.

    Returns:
        (items, dim) float32. An item without co-clicks is at the origin.
    """
    degrees = graph.sum(axis=1)
    steps = graph / np.maximum(degrees, 1e-9)[:, None]
    walk, power = np.zeros_like(steps), np.eye(len(steps), dtype=np.float32)
    for _ in range(_WALK):
        power = power @ steps
        walk += power / _WALK
    information = walk * degrees.sum() / np.maximum(degrees, 1e-9)[None, :] / _SHIFT
    positive = np.log(np.maximum(information, 1.0))
    left, values, _ = np.linalg.svd((positive + positive.T) / 2)
    embedding: NDArray[np.float32] = (left[:, :dim] * np.sqrt(values[:dim])).astype(np.float32)
    return embedding


def cluster_directions(points: NDArray[np.float32], count: int, seed: int) -> NDArray[np.int64]:
    """Cluster vectors by direction with k-means, because lengths grow with the number of clicks.

    Args:
        points: (n, d) vectors.
        count: Number of clusters.
        seed: Random seed.

    Returns:
        (n,) int64 clusters 0..count-1.
    """
    rows = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
    count = min(count, len(np.unique(rows.round(6), axis=0)))
    clusters: NDArray[np.int64] = KMeans(count, random_state=seed).fit_predict(rows).astype(np.int64)
    return clusters
