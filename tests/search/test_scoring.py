"""A photo ranking is scored in one place: category prior, then calibration."""

import numpy as np
import pytest

from snapfind.index.base import IndexMatch
from snapfind.search.calibration import Calibration, verdict
from snapfind.search.scoring import is_region_better, rank_nearest


def found(product, score, category=""):
    return IndexMatch(product, score, {"_product": product} | ({"category": category} if category else {}))


NEAREST = [found("a", 0.80, "tea"), found("b", 0.79, "mugs"), found("c", 0.60, "mugs"), found("d", 0.55)]


def ids(ranking):
    return [point.payload["_product"] for point in ranking.points]


def test_without_a_prediction_the_order_and_the_similarities_stay():
    ranking = rank_nearest(NEAREST, {})
    assert ids(ranking) == ["a", "b", "c", "d"] and [point.score for point in ranking.points] == [0.8, 0.79, 0.6, 0.55]
    assert ranking.features[:, 3].tolist() == [0, 0, 0, 0], "no category feature without a prediction"
    assert ranking.features[:, 1].tolist() == pytest.approx([0.01, -0.01, -0.2, -0.25])
    assert {guess.category for guess in ranking.categories} == {"tea", "mugs"}, "the vote still names categories"


def test_a_confident_prediction_changes_the_order_and_drops_nothing():
    ranking = rank_nearest(NEAREST, {"mugs": 0.999, "tea": 0.001})
    assert ids(ranking)[0] == "b" and sorted(ids(ranking)) == ["a", "b", "c", "d"]
    assert ranking.categories[0].category == "mugs"
    by_product = dict(zip(ids(ranking), ranking.features[:, 3]))
    assert by_product["a"] < by_product["b"] <= 0
    assert by_product["a"] < by_product["d"] < 0, "a product without a category gets the expected value"


def test_scores_of_a_ranking_never_rise():
    scores = Calibration.fitted().photo_scores(rank_nearest(NEAREST, {"mugs": 0.6, "tea": 0.4}).features)
    assert scores == sorted(scores, reverse=True) and 0 < scores[-1] < scores[0] < 1


def test_an_empty_ranking_has_no_score():
    ranking = rank_nearest([], {"tea": 1.0})
    assert not ranking.points and Calibration.raw().photo_scores(ranking.features) == []


def test_a_match_needs_a_half_and_similar_a_tenth():
    assert [verdict(score) for score in (1.0, 0.5, np.nextafter(0.5, 0), 0.1, np.nextafter(0.1, 0), 0.0)] == [
        "match",
        "match",
        "similar",
        "similar",
        "none",
        "none",
    ]


@pytest.mark.parametrize(
    ("whole", "region", "better"),
    [
        ([0.50, 0.48], [0.60, 0.50], True),
        ([0.50, 0.48], [0.53, 0.40], False),  # hardly more similar
        ([0.50, 0.30], [0.60, 0.55], False),  # more similar, but to two products
        ([0.50], [0.60], False),  # one product: no margin to compare
        ([], [], False),
    ],
)
def test_a_region_is_better_if_it_is_more_similar_and_stands_out(whole, region, better):
    assert is_region_better(whole, region) is better
