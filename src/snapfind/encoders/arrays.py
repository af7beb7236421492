"""Array operations shared by the encoders."""

import numpy as np
from numpy.typing import NDArray

from snapfind.core.errors import BadInput
from snapfind.encoders.base import Vectors

__all__ = ["check_finite", "softmax", "unit"]


def check_finite(rows: NDArray[np.floating], name: str) -> None:
    """Check that all values are finite.

    Args:
        rows: Array of shape (n, ...).
        name: Name of the rows in the error message.

    Raises:
        BadInput: If a row has a NaN or infinite value.
    """
    wrong = np.flatnonzero(~np.isfinite(rows).reshape(len(rows), -1).all(axis=1))
    if len(wrong):
        raise BadInput(
            f"{len(wrong)} of {len(rows)} {name} have NaN or infinite values, the first at row {wrong[0]}; remove them"
        )


def unit(rows: NDArray[np.floating]) -> Vectors:
    """Normalize rows to length 1.

    Args:
        rows: Array of shape (n, d).

    Returns:
        Unit rows, float32 of shape (n, d). A row of zeros becomes the first unit vector.
    """
    normalized: Vectors = np.array(rows, np.float32)
    lengths: Vectors = np.sqrt(np.einsum("nd,nd->n", normalized, normalized, dtype=np.float32))[:, None]
    normalized[lengths[:, 0] == 0, :1] = lengths[lengths == 0] = 1
    return normalized / lengths


def softmax(logits: NDArray[np.floating]) -> Vectors:
    """Compute the softmax of each row.

    Args:
        logits: Array of shape (n, k).

    Returns:
        Probabilities, float32 of shape (n, k).
    """
    shifted: Vectors = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf), dtype=np.float32)
    total: Vectors = shifted.sum(axis=1, keepdims=True)
    return shifted / total
