"""Image-quality detectors for blur, upscaling, text overlays and collages, fitted on the catalog's own pictures.

A sample of the pictures is corrupted (curation/detect/corruptions.py). The detector of a fault is Fisher's discriminant
on pairs of embeddings before and after the corruption. So no detector is bundled, and any encoder works. A picture is
reported if its score is an outlier, in robust deviations of the catalog. Thresholds were chosen on half of the classes,
on faults made in other ways (benchmarks/curate_faults.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snapfind.encoders.base import Vectors

__all__ = ["Fault", "deviations", "faults"]

_SHRINKAGE = 0.3  # of the covariance, in its mean variance; larger if there are fewer rows than dimensions
# smallest deviations of a fault; collages are separable from other outliers only at high values
_LEAST = {"blurred": 6.0, "tiny": 5.5, "text": 6.5, "collage": 8.0}
_AT_MOST = 3.0  # deviations of the rows that the covariance of the second round is fitted on


@dataclass(frozen=True, slots=True)
class Fault:
    """A detected fault.

    Attributes:
        row: Index of the row.
        kind: Kind of the fault.
        deviations: Score in robust deviations.
    """

    row: int
    kind: str
    deviations: float


def faults(vectors: Vectors, pairs: Mapping[str, tuple[Vectors, Vectors]]) -> list[Fault]:
    """Detect faults.

    Args:
        vectors: Embeddings, shape (n, d).
        pairs: Kind of fault -> embeddings of m pictures before and after the corruption, shape (m, d) each.

    Returns:
        Faults, worst first. A row occurs once, with its most significant fault.
    """
    if len(vectors) < 2:
        return []
    worst: dict[int, Fault] = {}
    for kind, (before, after) in pairs.items():
        scores = deviations(vectors, before, after)
        for row in np.flatnonzero(scores >= _LEAST[kind]).tolist():
            one = Fault(row, kind, float(scores[row]))
            if row not in worst or one.deviations / _LEAST[kind] > worst[row].deviations / _LEAST[worst[row].kind]:
                worst[row] = one
    return sorted(worst.values(), key=lambda one: (-one.deviations, one.row))


def deviations(vectors: Vectors, before: Vectors, after: Vectors) -> NDArray[np.float64]:
    """Compute the scores of a fault in robust deviations from the median.

    Faulty rows widen the covariance in the direction of the fault. A second round therefore fits the covariance without
    the outliers of the first.

    Args:
        vectors: Embeddings, shape (n, d).
        before: Embeddings before the corruption, shape (m, d).
        after: Embeddings after the corruption, shape (m, d).

    Returns:
        Scores, shape (n,).
    """
    first = _scores(vectors, vectors, before, after)
    return _scores(vectors, vectors[first < _AT_MOST], before, after)


def _scores(vectors: Vectors, usual: Vectors, before: Vectors, after: Vectors) -> NDArray[np.float64]:
    centered = usual - usual.mean(axis=0)
    covariance = centered.T @ centered / len(centered)
    variance = max(float(np.trace(covariance)) / len(covariance), 1e-12)
    shrinkage = max(_SHRINKAGE, len(covariance) / (2 * len(usual)))
    moved = (after - before).mean(axis=0).astype(np.float64)
    direction = np.linalg.solve(covariance / variance + shrinkage * np.eye(len(covariance)), moved)
    scores = vectors.astype(np.float64) @ direction
    middle = np.median(scores)
    spread = 1.4826 * np.median(np.abs(scores - middle))
    return np.asarray((scores - middle) / max(float(spread), 1e-9))
