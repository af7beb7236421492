"""Splits of labeled images to evaluate a classifier: closed set, few-shot or zero-shot."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from snapfind.core.errors import BadInput

__all__ = ["How", "Split", "split"]

How = Literal["closed", "few", "zero"]


@dataclass(frozen=True)
class Split:
    """A split into training and test.

    Attributes:
        train: Indices of the training images.
        test: Indices of the test images.
        train_classes: Classes of the training images.
        test_classes: Classes of the test images.
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    train_classes: NDArray[np.int64]
    test_classes: NDArray[np.int64]


def split(
    labels: NDArray[np.int64], how: How, *, seed: int = 0, shots: int = 5, unseen: float = 0.5, test: float = 0.25
) -> Split:
    """Split labeled images.

    Args:
        labels: (n,) int64 classes.
        how: "closed": all classes. "few": `shots` training images of each class. "zero": the test classes have no
            training images.
        seed: Random seed.
        shots: Training images of each class for "few".
        unseen: Fraction of the classes that are test classes for "zero".
        test: Fraction of the images of each class that are test images.

    Returns:
        The split.

    Raises:
        BadInput: There are too few classes, or a class has only one image.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < (4 if how == "zero" else 2):
        raise BadInput(
            f"{len(classes)} class(es) are too few. A split of kind {how} needs at least {4 if how == 'zero' else 2}."
        )
    if counts.min() < 2:
        raise BadInput(
            f"{int((counts < 2).sum())} class(es) have only one picture. A split needs at least two of each."
        )
    rng = np.random.default_rng([seed, 3])
    is_test = np.zeros(len(labels), bool)
    for label in classes:
        rows = rng.permutation(np.flatnonzero(labels == label))
        is_test[rows[: max(1, round(test * len(rows)))]] = True
    test_classes = train_classes = classes
    if how == "zero":
        order = rng.permutation(classes)
        count = min(max(2, round(unseen * len(classes))), len(classes) - 2)
        test_classes, train_classes = np.sort(order[:count]), np.sort(order[count:])
    train = np.flatnonzero(~is_test & np.isin(labels, train_classes))
    if how == "few":
        order = rng.permutation(train)
        train = np.sort(np.concatenate([order[labels[order] == label][:shots] for label in classes]))
    return Split(train, np.flatnonzero(is_test & np.isin(labels, test_classes)), train_classes, test_classes)
