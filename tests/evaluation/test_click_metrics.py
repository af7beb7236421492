"""Figures of click models against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss as sk_log_loss
from sklearn.metrics import roc_auc_score

from snapfind.evaluation.click_metrics import click_figures, grouped_auc


@st.composite
def judged(draw):
    count = draw(st.integers(4, 60))
    chances = draw(st.lists(st.sampled_from([0.05, 0.2, 0.5, 0.7, 0.99]), min_size=count, max_size=count))
    clicked = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    groups = draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))
    return np.array(chances), np.array(clicked), np.array(groups)


@settings(max_examples=40)
@given(judged())
def test_they_agree_with_scikit_learn(case):
    chances, clicked, groups = case
    found = click_figures(chances, clicked, groups)
    assert found.log_loss == pytest.approx(sk_log_loss(clicked, chances, labels=[False, True]))
    if 0 < clicked.sum() < len(clicked):
        assert found.auc == pytest.approx(roc_auc_score(clicked, chances))
    parts = [(groups == one) for one in np.unique(groups)]
    usable = [part for part in parts if 0 < clicked[part].sum() < part.sum()]
    if usable:
        each = [roc_auc_score(clicked[part], chances[part]) for part in usable]
        assert found.gauc == pytest.approx(np.average(each, weights=[part.sum() for part in usable]))
    else:
        assert found.gauc == 0.5


def test_a_group_with_clicks_alone_says_nothing():
    assert grouped_auc(np.array([0.1, 0.9]), np.array([True, True]), np.array([0, 0])) == 0.5
