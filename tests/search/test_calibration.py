"""Scores are probabilities, fall along a ranking, and a fit recovers the chances it was made from."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from snapfind.search.calibration import Calibration, calibration_features, fit, margins, verdict

rankings = st.lists(st.floats(-1, 1), min_size=1, max_size=20).map(lambda values: sorted(values, reverse=True))


@given(rankings)
def test_scores_are_probabilities_and_fall_along_the_ranking(similarities):
    scores = Calibration.raw().photo_scores(calibration_features(similarities))
    assert all(0 <= score <= 1 for score in scores)
    assert all(a >= b for a, b in itertools.pairwise(scores))


def test_the_margin_is_against_the_best_other():
    assert np.allclose(margins([0.9, 0.7, 0.4]), [0.2, -0.2, -0.5])
    assert margins([0.9]) == [0.0]
    assert margins([]) == []


def test_verdicts_follow_the_score():
    assert [verdict(score) for score in (0.9, 0.5, 0.3, 0.05)] == ["match", "match", "similar", "none"]


def test_a_fit_recovers_the_chances():
    rng = np.random.default_rng(0)
    truth = Calibration(photo=(5.0, 10.0, 0.0, 0.7, -3.0))
    similarities = np.sort(rng.uniform(0, 1, (4000, 4)), axis=1)[:, ::-1]
    logs = np.log(rng.uniform(0.05, 1, similarities.shape))
    features = np.concatenate([calibration_features(row, log) for row, log in zip(similarities, logs)])
    chances = 1 / (1 + np.exp(-(features @ np.array(truth.photo[:4]) + truth.photo[4])))
    found = fit(features, rng.uniform(size=chances.shape) < chances, Calibration.raw())
    fitted = 1 / (1 + np.exp(-(features @ np.array(found.photo[:4]) + found.photo[4])))
    assert np.abs(fitted - chances).mean() < 0.02


def test_a_fit_with_nothing_to_learn_from_keeps_the_base():
    base = Calibration.raw()
    assert fit(np.ones((3, 4)), np.ones(3, bool), base) == base
    assert fit(np.ones((3, 4)), np.zeros(3, bool), base) == base


def test_a_sign_never_speaks_against_itself():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(500, 4))
    right = rng.uniform(size=500) < 1 / (1 + np.exp(3 * features[:, 0] - features[:, 1]))
    assert min(fit(features, right, Calibration.raw()).photo[:4]) >= 0


@given(rankings, st.lists(st.floats(-9, 0), min_size=20, max_size=20))
def test_scores_fall_along_the_ranking_whatever_the_categories_say(similarities, logs):
    scores = Calibration((2.0, 9.0, 3.0, 0.8, -2.0)).photo_scores(
        calibration_features(similarities, logs[: len(similarities)])
    )
    assert len(scores) == len(similarities) and all(0 <= score <= 1 for score in scores)
    assert all(a >= b for a, b in itertools.pairwise(scores))
