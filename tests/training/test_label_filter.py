"""Labels that disagree with their neighbors are filtered out, except if a label would lose all its samples."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")

from snapfind.encoders.arrays import unit
from snapfind.training.data.label_filter import agrees_with_neighbors


def two_groups():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 12)
    return unit(np.eye(2, 6)[labels] + 0.05 * rng.normal(size=(24, 6))).astype(np.float32), labels


def test_a_wrong_label_is_dropped_and_right_ones_stay():
    vectors, labels = two_groups()
    labels[3] = 1  # stands among samples of label 0
    mask = agrees_with_neighbors(vectors, labels, neighbors=5, least=2)
    assert not mask[3] and mask.sum() == 23


def test_a_sample_is_not_its_own_neighbor_and_a_label_never_vanishes():
    vectors, labels = two_groups()
    labels[3] = 2  # the only sample of its label
    assert agrees_with_neighbors(vectors, labels, neighbors=5, least=1)[3]
    labels[4] = 2
    labels[20] = 2  # far away from the other two
    mask = agrees_with_neighbors(vectors, labels, neighbors=3, least=2)
    assert mask[[3, 4, 20]].all()
    labels[[3, 4, 5, 20]] = [2, 2, 2, 2]
    assert not agrees_with_neighbors(vectors, labels, neighbors=11, least=1)[20]
