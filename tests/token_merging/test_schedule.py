"""Schedules: the share that was asked for, in the shape that was asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapfind.core.errors import BadInput
from snapfind.token_merging.schedule import mean_share, removals


@given(st.integers(50, 600), st.integers(6, 24), st.floats(0.3, 1.0), st.sampled_from(["constant", "decreasing"]))
def test_the_mean_share_is_the_ratio_within_a_token_a_block(tokens, blocks, ratio, schedule):
    counts = removals(tokens, 1, blocks, ratio, schedule)
    assert abs(mean_share(tokens, counts) - ratio) <= 1 / tokens
    assert sum(counts) < tokens


def test_shapes_over_depth():
    early, even, late = (removals(197, 1, 12, 0.7, shape) for shape in ("decreasing", "constant", "increasing"))
    assert max(even) - min(even) <= 1
    assert early[0] > even[0] > late[0]
    assert early[-1] <= 1 < late[-1]
    assert removals(197, 1, 3, 0.8, (1, 0, 0))[1:] == (0, 0)
    assert removals(197, 1, 12, 1, "constant") == (0,) * 12


@pytest.mark.parametrize(
    ("ratio", "schedule", "says"),
    [
        (0, "constant", "above 0"),
        (1.5, "constant", "up to 1"),
        (0.01, "constant", "the least is"),
        (0.5, "late", "late"),
        (0.5, (1, 2), "2 weights"),
        (0.5, (1, -1, 1, 1), "0 or more"),
    ],
)
def test_what_cannot_be_is_told(ratio, schedule, says):
    with pytest.raises(BadInput, match=says):
        removals(65, 1, 4, ratio, schedule)
