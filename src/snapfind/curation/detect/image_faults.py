"""Pictures that hurt: blurred, from a tiny file, written over, put together from several. Learnt from the shop's own.

Some pictures of the catalogue are spoiled on purpose (curation/detect/corruptions.py); the direction in which a fault
moves their vectors, set against how pictures differ anyway (Fisher's discriminant on pairs), is what a picture is
judged by. So no detector is shipped, and any encoder will do. What stands far out, in deviations of the catalogue's
own pictures, is a finding. Thresholds were chosen on half of the classes, on faults made in other ways
(benchmarks/curate_faults.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snapfind.encoders.base import Vectors

__all__ = ["Fault", "deviations", "faults"]

_SHRINKAGE = 0.3  # of the covariance, in its own mean variance; more where rows are fewer than directions
# deviations from which a fault is told; collages are told from what else is odd only far out
_LEAST = {"blurred": 6.0, "tiny": 5.5, "text": 6.5, "collage": 8.0}
_AT_MOST = 3.0  # deviations of the rows that say how pictures differ anyway, in the second round


@dataclass(frozen=True, slots=True)
class Fault:
    """A row, what is wrong with it, and by how many deviations it stands out."""

    row: int
    kind: str
    deviations: float


def faults(vectors: Vectors, pairs: Mapping[str, tuple[Vectors, Vectors]]) -> list[Fault]:
    """(n, d) rows, and for each kind of fault (m, d) vectors of pictures before and after they were spoiled -> the rows
    that have it, the worst first; a row comes once, under what it stands out by most.
    """
    if len(vectors) < 2:
        return []
    found: dict[int, Fault] = {}
    for kind, (before, after) in pairs.items():
        scores = deviations(vectors, before, after)
        for row in np.flatnonzero(scores >= _LEAST[kind]).tolist():
            one = Fault(row, kind, float(scores[row]))
            if row not in found or one.deviations / _LEAST[kind] > found[row].deviations / _LEAST[found[row].kind]:
                found[row] = one
    return sorted(found.values(), key=lambda one: (-one.deviations, one.row))


def deviations(vectors: Vectors, before: Vectors, after: Vectors) -> NDArray[np.float64]:
    """(n,) how far each row lies the way a fault goes, in deviations from the middle of all rows.

    Middle and deviation are median and median deviation: faults among the rows do not move them. They do widen the
    covariance in just this direction and so hide themselves; what stands out at first is left out of it then.
    """
    first = _scores(vectors, vectors, before, after)
    return _scores(vectors, vectors[first < _AT_MOST], before, after)


def _scores(vectors: Vectors, usual: Vectors, before: Vectors, after: Vectors) -> NDArray[np.float64]:
    centred = usual - usual.mean(axis=0)
    covariance = centred.T @ centred / len(centred)
    variance = max(float(np.trace(covariance)) / len(covariance), 1e-12)
    shrinkage = max(_SHRINKAGE, len(covariance) / (2 * len(usual)))
    moved = (after - before).mean(axis=0).astype(np.float64)
    direction = np.linalg.solve(covariance / variance + shrinkage * np.eye(len(covariance)), moved)
    scores = vectors.astype(np.float64) @ direction
    middle = np.median(scores)
    spread = 1.4826 * np.median(np.abs(scores - middle))
    return np.asarray((scores - middle) / max(float(spread), 1e-9))
