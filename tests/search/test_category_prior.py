"""Votes, the model and their fusion: probabilities, agreement, and a prior that keeps every product."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapfind.core.errors import ModelBroken
from snapfind.index.base import IndexMatch
from snapfind.search.category_prior import EMPTY, Prototypes, apply_category_prior, fuse, log_chances, vote

names = st.sampled_from(["tea", "mugs", "juice", ""])
rankings = st.lists(st.tuples(st.floats(-1, 1), names), max_size=140).map(
    lambda rows: [
        IndexMatch(f"{at:03}", score, {"_product": f"p{at}", **({"category": name} if name else {})})
        for at, (score, name) in enumerate(sorted(rows, key=lambda row: -row[0]))
    ]
)
opinions = st.dictionaries(st.sampled_from(["tea", "mugs", "juice", "new"]), st.floats(0.01, 1), max_size=4)


@given(rankings, opinions)
def test_fused_guesses_are_probabilities_best_first(found, model):
    total = sum(model.values()) or 1
    guesses = fuse(vote(found), {name: value / total for name, value in model.items()})
    assert not guesses or sum(guess.probability for guess in guesses) == pytest.approx(1)
    assert [guess.probability for guess in guesses] == sorted((g.probability for g in guesses), reverse=True)
    assert fuse(dict(reversed(vote(found).items())), model) == fuse(vote(found), dict(reversed(model.items())))


@given(rankings, opinions)
def test_leaning_keeps_every_product_and_falls(found, model):
    adjusted = apply_category_prior(found, fuse(vote(found), model))
    assert sorted(one.id for one in adjusted) == sorted(one.id for one in found)
    assert [one.score for one in adjusted] == sorted((one.score for one in adjusted), reverse=True)
    assert [one.id for one in adjusted[100:]] == [one.id for one in found[100:]]


def test_a_near_second_of_the_likely_category_passes_the_first():
    found = [IndexMatch("a", 0.52, {"category": "mugs"}), IndexMatch("b", 0.5, {"category": "tea"})]
    assert [
        one.id for one in apply_category_prior(found, fuse({"mugs": 0.5, "tea": 0.5}, {"tea": 0.95, "mugs": 0.05}))
    ] == ["b", "a"]
    assert log_chances([IndexMatch("c", 0.1, {})], fuse({"tea": 1.0}, {}))[0] == pytest.approx(0, abs=0.01)


def test_prototypes_tell_what_they_were_made_of_and_survive_a_file(tmp_path):
    rng = np.random.default_rng(0)
    posteriors = rng.dirichlet(np.full(30, 0.1), 6).astype(np.float32)
    made = Prototypes.of(["tea", "tea", "mugs", "mugs", "", "juice"], posteriors)
    made.save(tmp_path / "c.safetensors")
    read = Prototypes.load(tmp_path / "c.safetensors")
    assert read.names == ("juice", "mugs", "tea")
    for category, row in (("tea", 0), ("mugs", 3), ("juice", 5)):
        guessed = read.predict(posteriors[row])
        assert max(guessed, key=guessed.get) == category and sum(guessed.values()) == pytest.approx(1, abs=1e-5)
    assert EMPTY.predict(np.ones(1000, np.float32)) == {}
    EMPTY.save(tmp_path / "e.safetensors")
    assert Prototypes.load(tmp_path / "e.safetensors").names == ()
    (tmp_path / "c.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ModelBroken, match="calibrate"):
        Prototypes.load(tmp_path / "c.safetensors")
