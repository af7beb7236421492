"""Team draft: one list of two rankings, fair to both."""

from hypothesis import given
from hypothesis import strategies as st

from snapfind.search.interleave import team_draft

rankings = st.lists(st.sampled_from("abcdefghijklmnop"), unique=True, max_size=12)


@given(rankings, rankings, st.text(max_size=4), st.integers(0, 20))
def test_it_holds_each_product_once_and_picks_from_the_top(first, second, seed, most):
    drafted = team_draft(first, second, seed, most)
    assert drafted == team_draft(first, second, seed, most)
    ids = [one for one, _ in drafted]
    assert len(set(ids)) == len(ids) == min(most, len({*first, *second}))
    taken: set[str] = set()
    for one, team in drafted:
        ranking = first if team == "a" else second
        assert one == next(other for other in ranking if other not in taken)
        taken.add(one)


@given(st.permutations("abcdefgh"), st.permutations("abcdefgh"), st.text(max_size=4))
def test_the_teams_take_turns(first, second, seed):
    teams = [team for _, team in team_draft(first, second, seed, 8)]
    for at in range(0, 8, 2):
        assert set(teams[at : at + 2]) == {"a", "b"}


def test_either_ranking_begins_as_often_as_the_other():
    begun = [team_draft("ab", "ba", str(seed), 2)[0][1] for seed in range(400)]
    assert 160 < begun.count("a") < 240


def test_equal_rankings_are_shown_as_they_are():
    assert [one for one, _ in team_draft("abcd", "abcd", "x", 4)] == list("abcd")
