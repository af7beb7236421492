"""Which labels can be believed: a photo stays when some of its nearest neighbours carry its label.

Pailitao-VL (arXiv 2602.13704) cleans identities before they become prototypes, since an impure prototype freezes its
noise; its agents are not public. This rule is ours, after Wilson's editing (IEEE Trans. SMC 2, 1972): with w wrong
labels spread over K products a wrong photo keeps a like-labelled neighbour with chance k * w / K only.
"""

import numpy as np
from numpy.typing import NDArray

from snapfind.encoders.base import Vectors

__all__ = ["pure"]

_ROWS = 1024


def pure(vectors: Vectors, labels: NDArray[np.int64], *, neighbours: int = 10, least: int = 2) -> NDArray[np.bool_]:
    """(n, d) unit rows and (n,) labels -> (n,) True where `least` of the `neighbours` nearest others have the label.

    A label that would lose all its photos keeps them: there is nothing better to learn it from.
    """
    kept = np.empty(len(labels), bool)
    k = min(neighbours, len(labels) - 1)
    for start in range(0, len(labels), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(labels)))
        near = vectors[rows] @ vectors.T
        near[np.arange(len(rows)), rows] = -np.inf
        found = np.argpartition(-near, k - 1, axis=1)[:, :k]
        kept[rows] = (labels[found] == labels[rows, None]).sum(axis=1) >= min(least, k)
    lost = np.setdiff1d(labels, labels[kept])
    return kept | np.isin(labels, lost)
