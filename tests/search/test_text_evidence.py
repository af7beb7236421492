"""Terms, their coverage, and what is a code."""

import numpy as np
import pytest

from snapfind.search.text_evidence import background_similarity, coverage, is_code, terms, text_features


def test_terms_are_folded_and_ideographs_become_bigrams():
    assert terms("Crème BRÛLÉE, 2 pcs.") == ["creme", "brulee", "2", "pcs"]
    assert terms("护手霜") == ["护手", "手霜"]
    assert terms("_") == []


@pytest.mark.parametrize(
    ("text", "code"),
    [("MUG-01", True), ("4006381333931", True), ("90", False), ("mug", False), ("size 42", False), (" AB12 ", True)],
)
def test_codes(text, code):
    assert is_code(text) is code


def test_a_rare_term_counts_more_than_a_common_one_and_a_form_less_than_the_term():
    texts = ["red mug", "red cup", "red plate", "green bowls"]
    rare, common = coverage("red mug", texts)[0] - coverage("red mug", texts)[1], coverage("red mug", texts)[1]
    assert rare > common > 0 and coverage("red mug", texts)[0] == 1.0
    assert coverage("red mug", texts)[3] == 0.0
    assert coverage("bowl", texts)[3] == pytest.approx(0.8)
    assert coverage("the", texts).tolist() == [0.0] * 4 and len(coverage("mug", [])) == 0


def test_short_words_and_other_words_are_no_forms():
    assert coverage("cat", ["cats"])[0] == 0.0
    assert coverage("catalog", ["catering"])[0] == 0.0


def test_features_fill_in_the_lowest_similarity_and_mark_whole_coverage():
    features = text_features([0.9, None, 0.8], 0.85, np.array([1.0, 0.4, 0.0]))
    assert features.tolist() == [[0.9, 0.85, 1.0], [0.8, 0.85, 0.0], [0.8, 0.85, 0.0]]


def test_the_background_is_the_nearest_name():
    names = np.eye(3, dtype=np.float32)
    assert background_similarity(np.array([0.6, 0.8, 0.0], np.float32), names) == pytest.approx(0.8)
