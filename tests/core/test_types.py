"""Values are checked when they are made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapfind import Box, Product, Query, QueryTerm
from snapfind.core.errors import BadInput, BadQuery

fractions = st.floats(0, 1)


@given(fractions, fractions, fractions, fractions)
def test_a_box_is_valid_or_refused_and_stays_inside_the_picture(x0, y0, x1, y1):
    if x0 < x1 and y0 < y1:
        left, top, right, bottom = Box(x0, y0, x1, y1).pixels(640, 480)
        assert 0 <= left < right <= 640
        assert 0 <= top < bottom <= 480
    else:
        with pytest.raises(BadInput, match="empty"):
            Box(x0, y0, x1, y1)


@pytest.mark.parametrize("text", ["", "0,0,1", "a,b,c,d", "0,0,1,2", "0,0,nan,1", "-0.1,0,1,1"])
def test_a_box_that_does_not_parse_says_what_to_write(text):
    with pytest.raises(BadInput, match=r"0\.\.1"):
        Box.parse(text)


def test_iou_is_symmetric_and_one_with_itself():
    a, b = Box(0, 0, 0.5, 1), Box(0.25, 0, 1, 1)
    assert a.iou(b) == b.iou(a) == pytest.approx(0.25)
    assert a.iou(a) == pytest.approx(1)
    assert a.iou(Box(0.6, 0, 1, 1)) == 0


def test_a_like_holds_exactly_one_thing():
    with pytest.raises(BadQuery, match="exactly one"):
        QueryTerm()
    with pytest.raises(BadQuery, match="exactly one"):
        QueryTerm(text="tea", product="42")
    with pytest.raises(BadQuery, match="empty"):
        QueryTerm(text="  ")
    with pytest.raises(BadQuery, match="a box needs a photo"):
        QueryTerm(text="tea", box=Box(0, 0, 1, 1))


def test_a_query_of_negatives_only_has_nothing_to_look_for():
    with pytest.raises(BadQuery, match="weight above 0"):
        Query((QueryTerm(text="tea", weight=-1),))


def test_a_product_needs_an_id_and_a_sane_price():
    with pytest.raises(BadInput, match="1 to 256"):
        Product("")
    with pytest.raises(BadInput, match="price"):
        Product("a", price=float("nan"))
