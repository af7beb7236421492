"""Calibration error and AUROC against independent implementations; the plot is well-formed and says its figures."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from snapfind.evaluation.calibration import auroc, calibration_error, reliability_svg

pairs = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


@given(pairs)
def test_auroc_is_scikit_learn_s(drawn):
    scores, right = [s for s, _ in drawn], [r for _, r in drawn]
    if len(set(right)) == 2:
        assert auroc(scores, right) == pytest.approx(roc_auc_score(right, scores))
    else:
        assert auroc(scores, right) == 0.5


@given(pairs)
def test_the_error_lies_in_0_to_1_and_does_not_depend_on_the_order(drawn):
    scores, right = [s for s, _ in drawn], [r for _, r in drawn]
    error = calibration_error(scores, right)
    assert 0 <= error <= 1
    assert calibration_error(scores[::-1], right[::-1]) == pytest.approx(error)


def test_true_chances_have_a_small_error_and_boasting_a_large_one():
    rng = np.random.default_rng(0)
    chances = rng.uniform(size=20_000)
    right = rng.uniform(size=20_000) < chances
    assert calibration_error(chances, right) < 0.02
    assert calibration_error(np.ones(1000), rng.uniform(size=1000) < 0.5) == pytest.approx(0.5, abs=0.05)


def test_the_plot_is_xml_and_shows_its_errors():
    svg = reliability_svg({"a & b": ([0.1, 0.9], [False, True])}, "Title <x>")
    root = ET.fromstring(svg)
    text = " ".join("".join(node.itertext()) for node in root.iter())
    assert "a & b" in text and "0.100" in text and "Title <x>" in text
