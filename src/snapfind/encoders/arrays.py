"""Arithmetic on rows of vectors that every encoder shares."""

import numpy as np
from numpy.typing import NDArray

from snapfind.core.errors import BadInput
from snapfind.encoders.base import Vectors

__all__ = ["all_numbers", "softmax", "unit"]


def all_numbers(rows: NDArray[np.floating], name: str) -> None:
    """(n, …) rows. Raises BadInput where one of them holds what is no number, or an infinite one, and says which."""
    wrong = np.flatnonzero(~np.isfinite(rows).reshape(len(rows), -1).all(axis=1))
    if len(wrong):
        raise BadInput(
            f"{len(wrong)} of {len(rows)} {name} hold what is no number, the first at {wrong[0]}; leave these out"
        )


def unit(rows: NDArray[np.floating]) -> Vectors:
    """(n, d) -> (n, d) float32 rows of length 1. A row of zeros, which has no direction, becomes the first axis."""
    found: Vectors = np.array(rows, np.float32)
    lengths: Vectors = np.sqrt(np.einsum("nd,nd->n", found, found, dtype=np.float32))[:, None]
    found[lengths[:, 0] == 0, :1] = lengths[lengths == 0] = 1
    return found / lengths


def softmax(logits: NDArray[np.floating]) -> Vectors:
    """(n, k) logits -> (n, k) float32 probabilities."""
    shifted: Vectors = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf), dtype=np.float32)
    total: Vectors = shifted.sum(axis=1, keepdims=True)
    return shifted / total
