"""Unit rows and probabilities."""

import numpy as np

from snapfind.encoders.arrays import softmax, unit


def test_rows_become_unit_and_zeros_the_first_axis():
    rows = unit(np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [1, 0]], atol=1e-6)
    assert rows.dtype == np.float32


def test_unit_leaves_its_argument_alone():
    given = np.array([[3.0, 4.0]], np.float32)
    unit(given)
    assert given.tolist() == [[3.0, 4.0]]


def test_softmax_of_large_logits_stays_finite():
    np.testing.assert_allclose(softmax(np.array([[1000.0, 1000.0], [0.0, -1000.0]], np.float32)), [[0.5, 0.5], [1, 0]])


def test_no_rows_are_fine():
    assert unit(np.empty((0, 5))).shape == softmax(np.empty((0, 5), np.float32)).shape == (0, 5)
