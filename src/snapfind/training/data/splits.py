"""How labeled pictures are parted to measure a classifier: closed set, few shots, or classes never seen."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from snapfind.core.errors import BadInput

__all__ = ["How", "Split", "split"]

How = Literal["closed", "few", "zero"]


@dataclass(frozen=True)
class Split:
    """`train` and `test` rows; the classes that are learned from (`seen`) and those that are asked (`asked`)."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    seen: NDArray[np.int64]
    asked: NDArray[np.int64]


def split(
    labels: NDArray[np.int64], how: How, *, seed: int = 0, shots: int = 5, unseen: float = 0.5, test: float = 0.25
) -> Split:
    """(n,) classes of pictures -> the split; `test` of each class are tested on.

    `few` learns from `shots` pictures a class; `zero` keeps `unseen` of the classes away from training and asks for
    these only, among themselves. Raises BadInput with too few classes or pictures.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < (4 if how == "zero" else 2):
        raise BadInput(f"{len(classes)} class(es): a {how} split needs {4 if how == 'zero' else 2} at the least")
    if counts.min() < 2:
        raise BadInput(f"{int((counts < 2).sum())} class(es) have one picture only; a split needs two of each")
    rng = np.random.default_rng([seed, 3])
    held = np.zeros(len(labels), bool)
    for own in classes:
        rows = rng.permutation(np.flatnonzero(labels == own))
        held[rows[: max(1, round(test * len(rows)))]] = True
    asked = seen = classes
    if how == "zero":
        order = rng.permutation(classes)
        count = min(max(2, round(unseen * len(classes))), len(classes) - 2)
        asked, seen = np.sort(order[:count]), np.sort(order[count:])
    train = np.flatnonzero(~held & np.isin(labels, seen))
    if how == "few":
        order = rng.permutation(train)
        train = np.sort(np.concatenate([order[labels[order] == own][:shots] for own in classes]))
    return Split(train, np.flatnonzero(held & np.isin(labels, asked)), seen, asked)
