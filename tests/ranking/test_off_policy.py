"""Estimates from logs: right on average, their intervals hold the truth, wrong logs are refused."""

import numpy as np
import pytest
from benchmarks.simulation.bandit import Market, draw

from snapfind.core.errors import BadInput
from snapfind.ranking.off_policy import Log, doubly_robust, ips, logistic_rewards, snips

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
    with pytest.raises(BadInput, match="Propensities"):
        Log(np.zeros((3, 1)), np.zeros(3, int), one, np.array([0.5, 0.0, 1.0]))
    with pytest.raises(BadInput, match="every row"):
        Log(np.zeros((2, 1)), np.zeros(3, int), one, one)
    log = Log(np.zeros((3, 1)), np.zeros(3, int), one, one)
    with pytest.raises(BadInput, match="shows no action"):
        snips(log, np.tile([0.0, 1.0], (3, 1)))
    with pytest.raises(BadInput, match="The policy has 2 decisions"):
        ips(log, np.ones((2, 2)))


@pytest.mark.parametrize("estimator", [ips, snips, doubly_robust])
def test_what_is_no_policy_or_no_number_is_refused_and_not_averaged(estimator):
    market = Market.of(5, dim=2, actions=4)
    log = draw(market, 40, 5)
    policy = market.policy(log.contexts, market.new)
    holed = np.where(np.arange(4) == 1, np.nan, policy)
    for wrong in (2 * policy, policy[:, :2], policy - [[0.5, -0.5, 0, 0]], holed, policy[:, 0]):
        with pytest.raises(BadInput, match=r"Rows of a policy|a column for each"):
            estimator(log, wrong)
    for part, value in (("rewards", np.nan), ("contexts", np.inf)):
        parts = {name: getattr(log, name) for name in ("contexts", "actions", "rewards", "propensities")}
        parts[part] = np.where(np.arange(40).reshape(-1, *[1] * (parts[part].ndim - 1)) == 3, value, parts[part])
        with pytest.raises(BadInput, match="NaN or infinite"):
            estimator(Log(**parts), policy)
    with pytest.raises(BadInput, match="from 0"):
        Log(log.contexts, log.actions - 4, log.rewards, log.propensities)


def test_the_three_estimates_are_their_formulas_written_out_row_by_row():
    market = Market.of(6, dim=2, actions=3)
    log = draw(market, 12, 6)
    policy = market.policy(log.contexts, market.new)
    guess = market.chances(log.contexts) ** 2
    parts, weights, corrected = [], [], []
    for row in range(12):
        shown = log.actions[row]
        weights.append(policy[row, shown] / log.propensities[row])
        parts.append(weights[-1] * log.rewards[row])
        corrected.append(policy[row] @ guess[row] + weights[-1] * (log.rewards[row] - guess[row, shown]))
    assert ips(log, policy).value == pytest.approx(sum(parts) / 12)
    assert snips(log, policy).value == pytest.approx(sum(parts) / sum(weights))
    known = {tuple(context): own for context, own in zip(log.contexts, guess)}
    found = doubly_robust(log, policy, lambda past, rows: np.array([known[tuple(own)] for own in rows.contexts]))
    assert found.value == pytest.approx(sum(corrected) / 12)
    assert found.high - found.value == pytest.approx(1.96 * np.std(corrected, ddof=1) / 12**0.5)
    assert found.effective == pytest.approx(sum(weights) ** 2 / sum(own**2 for own in weights))
