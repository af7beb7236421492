"""Compare and calibrate: a permutation, chunk order at ties, a comparison that no order of the input changes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from benchmarks.simulation.result_lists import Shoppers, click, simulate_lists
from hypothesis import given, settings
from hypothesis import strategies as st

from snapfind.core.errors import BadInput
from snapfind.evaluation.calibration import calibration_error
from snapfind.evaluation.metrics import ndcg
from snapfind.ranking.listwise import Listwise, ListwiseConfig, examination, fit_lists, order_of
from snapfind.search.rerank.base import CHUNK
from snapfind.training.loop import TrainingConfig

QUICK = ListwiseConfig(steps=40, plan=TrainingConfig(epochs=6, rate=4e-3, average=0.95))


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(0)
    return Listwise(4).eval()


@settings(max_examples=40)
@given(st.integers(1, 30), st.floats(0, 1), st.integers(0, 1000))
def test_an_order_is_a_permutation(module, count, epsilon, seed):
    features = np.random.default_rng(seed).standard_normal((count, 4)).astype(np.float32)
    order, worth = order_of(module, features, epsilon=epsilon)
    assert sorted(order) == list(range(count)) and ((worth >= 0) & (worth <= 1)).all()


def test_a_chunk_keeps_its_order_where_worth_ties(module):
    features = np.random.default_rng(1).standard_normal((CHUNK, 4)).astype(np.float32)
    order, _ = order_of(module, features, epsilon=1.0)  # all are near: one band
    said = module.compare(torch.from_numpy(features)[None])[0].detach().numpy()
    assert order == np.argsort(-said, kind="stable").tolist()


def test_a_comparison_does_not_depend_on_the_order_of_its_input(module):
    features = torch.randn(1, CHUNK, 4, generator=torch.Generator().manual_seed(2))
    turned = torch.randperm(CHUNK, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(module.compare(features)[:, turned], module.compare(features[:, turned]), atol=1e-5)


def test_who_looks_where_is_learned_from_shuffled_lists():
    found = examination(simulate_lists(6000, 0, shuffled=True))
    assert np.abs(found - Shoppers().patience ** np.arange(24)).max() < 0.08
    assert found[0] == 1 and (np.diff(found) <= 0).all()


def test_it_orders_better_than_the_first_search_and_its_worth_is_calibrated():
    looked = Shoppers().patience ** np.arange(24)
    module = fit_lists(simulate_lists(1500, 0), simulate_lists(400, 1), looked, QUICK)
    judged = click(simulate_lists(400, 2), Shoppers(patience=1.0), 9)
    before, after, said = [], [], []
    for features, right in zip(judged.features, judged.relevant):
        order, worth = order_of(module, features, epsilon=0.1)
        said.append(worth)
        if right.any():
            relevant = {str(place) for place in np.flatnonzero(right)}
            before.append(ndcg([str(place) for place in range(24)], relevant, 10))
            after.append(ndcg([str(place) for place in order], relevant, 10))
    assert np.mean(after) > np.mean(before) + 0.01
    assert calibration_error(np.concatenate(said).tolist(), judged.clicked.ravel().tolist()) < 0.05


def test_lists_too_short_or_without_numbers_are_one_sentence():
    whole = simulate_lists(20, 0)
    with pytest.raises(BadInput, match="fewer than 8"):
        fit_lists(simulate_lists(20, 0, candidates=5), whole, None, QUICK)
    with pytest.raises(BadInput, match="NaN or infinite"):
        fit_lists(whole, replace(whole, features=np.full_like(whole.features, np.nan)), None, QUICK)
