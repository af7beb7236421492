"""Estimates from logs: right on average, their intervals hold the truth, wrong logs are refused."""

import numpy as np
import pytest

from snapfind.errors import BadInput
from snapfind.rank.logged import Market, draw
from snapfind.rank.offpolicy import Log, doubly_robust, ips, logistic_rewards, snips

LOGS = 30


@pytest.mark.parametrize("estimator", [ips, snips, doubly_robust])
def test_intervals_hold_the_truth(estimator):
    held, errors = 0, []
    for seed in range(LOGS):
        market = Market.of(seed, dim=3, actions=5)
        log, truth = draw(market, 600, seed), market.value(market.new, count=30_000)
        said = estimator(log, market.policy(log.contexts, market.new))
        held += said.covers(truth)
        errors.append(said.value - truth)
    assert held >= LOGS * 0.83 and abs(np.mean(errors)) < 0.02


def test_the_logging_policy_is_estimated_by_its_own_mean():
    market = Market.of(1)
    log = draw(market, 500, 1)
    policy = market.policy(log.contexts, market.old)
    assert ips(log, policy).value == pytest.approx(log.rewards.mean())
    assert snips(log, policy).value == pytest.approx(log.rewards.mean())
    assert ips(log, policy).effective == pytest.approx(500, rel=1e-6)


def test_doubly_robust_forgives_a_model_or_propensities_that_are_wrong():
    market = Market.of(2)
    log, truth = draw(market, 20_000, 2), market.value(market.new)
    policy = market.policy(log.contexts, market.new)
    blind = doubly_robust(log, policy, lambda past, rows: np.full((len(rows), 10), 0.9))
    wrong = Log(log.contexts, log.actions, log.rewards, np.full(len(log), 0.1))
    knowing = doubly_robust(wrong, policy, lambda past, rows: market.chances(rows.contexts))
    assert blind.covers(truth) and abs(knowing.value - truth) < 0.03
    assert abs(ips(wrong, policy).value - truth) > 0.1


def test_the_reward_model_learns_what_each_action_earns():
    market = Market.of(3, dim=3, actions=4)
    past, rows = draw(market, 8000, 3), draw(market, 500, 4)
    found = logistic_rewards(4)(past, rows)
    assert np.corrcoef(found.ravel(), market.chances(rows.contexts).ravel())[0, 1] > 0.85


def test_what_is_no_log_is_refused():
    one = np.ones(3)
    with pytest.raises(BadInput, match="propensities"):
        Log(np.zeros((3, 1)), np.zeros(3, int), one, np.array([0.5, 0.0, 1.0]))
    with pytest.raises(BadInput, match="every row"):
        Log(np.zeros((2, 1)), np.zeros(3, int), one, one)
    log = Log(np.zeros((3, 1)), np.zeros(3, int), one, one)
    with pytest.raises(BadInput, match="nothing"):
        snips(log, np.tile([0.0, 1.0], (3, 1)))
    with pytest.raises(BadInput, match="a policy for 2"):
        ips(log, np.ones((2, 2)))
