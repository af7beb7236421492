"""Metrics agree with an independent implementation and have the properties that their definitions promise."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from snapfind.evaluation.metrics import METRICS, average_precision, ndcg, precision, recall, reciprocal_rank

IDS = [f"p{number}" for number in range(12)]
rankings = st.permutations(IDS).map(list)
relevants = st.sets(st.sampled_from(IDS), min_size=1)


def as_labels(ranked, relevant):
    """Binary labels and falling scores, as scikit-learn takes them."""
    return np.array([[one in relevant for one in ranked]], int), np.array([np.arange(len(ranked), 0, -1)], float)


@given(rankings, relevants)
def test_average_precision_and_ndcg_agree_with_scikit_learn(ranked, relevant):
    labels, scores = as_labels(ranked, relevant)
    assert average_precision(ranked, relevant) == pytest.approx(average_precision_score(labels[0], scores[0]))
    for k in (1, 3, 12):
        assert ndcg(ranked, relevant, k) == pytest.approx(ndcg_score(labels, scores, k=k))


@given(rankings, relevants, st.integers(1, 12))
def test_bounds_and_growth(ranked, relevant, cut):
    for metric in METRICS.values():
        assert 0 <= metric(ranked[:cut], relevant) <= 1
    values = [recall(ranked, relevant, k) for k in range(1, 13)]
    assert values == sorted(values) and values[-1] == 1


@given(relevants)
def test_a_perfect_ranking_is_one_and_an_empty_one_is_zero(relevant):
    perfect = [*sorted(relevant), *(one for one in IDS if one not in relevant)]
    for name in ("precision@1", "map", "ndcg@10", "mrr"):
        assert METRICS[name](perfect, relevant) == pytest.approx(1)
        assert METRICS[name]([], relevant) == 0


@given(rankings, relevants, st.integers(1, 11))
def test_a_relevant_one_that_moves_up_never_hurts(ranked, relevant, place):
    moved = list(ranked)
    moved[place - 1], moved[place] = moved[place], moved[place - 1]
    if ranked[place] in relevant and ranked[place - 1] not in relevant:
        for name, metric in METRICS.items():
            assert metric(moved, relevant) >= metric(ranked, relevant) - 1e-12, name


def test_by_hand():
    assert reciprocal_rank(["a", "b", "c"], {"c"}) == pytest.approx(1 / 3)
    assert precision(["a", "b"], {"a"}, 5) == pytest.approx(0.2)
    assert average_precision(["a", "x", "b"], {"a", "b"}) == pytest.approx((1 + 2 / 3) / 2)
    assert ndcg(["x", "a"], {"a"}, 5) == pytest.approx(1 / math.log2(3))
