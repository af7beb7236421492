"""Reciprocal rank fusion: order of inputs does not matter, agreement wins, weights count."""

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from snapfind.search.rank_fusion import fuse, share

rankings = st.dictionaries(
    st.sampled_from(["image", "text", "bm25", "text_to_image"]),
    st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8),
    min_size=1,
)


@given(rankings, st.randoms())
def test_the_order_of_the_rankings_does_not_matter(lists: dict[str, list[str]], rng: random.Random):
    weights = {name: 0.5 + index for index, name in enumerate(sorted(lists))}
    names = list(lists)
    rng.shuffle(names)
    assert fuse({name: lists[name] for name in names}, weights) == fuse(lists, weights)


@given(rankings)
def test_every_id_comes_back_once_and_scores_fall(lists):
    fused = fuse(lists, dict.fromkeys(lists, 1.0))
    assert sorted(found for found, _ in fused) == sorted({found for ranking in lists.values() for found in ranking})
    assert all(a[1] >= b[1] for a, b in itertools.pairwise(fused))


def test_one_ranking_keeps_its_order_and_its_best_has_the_whole_share():
    fused = fuse({"photo": ["c", "a", "b"]}, {"photo": 2.0})
    assert [found for found, _ in fused] == ["c", "a", "b"]
    assert share(fused[0][1], {"photo": 2.0}) == 1.0


def test_two_that_agree_beat_one_that_shouts():
    assert fuse({"x": ["a", "b"], "y": ["c", "b"]}, {"x": 1.0, "y": 1.0})[0][0] == "b"
    assert fuse({"x": ["a", "b"], "y": ["b", "a"]}, {"x": 3.0, "y": 1.0})[0][0] == "a"
