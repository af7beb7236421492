"""The filter language: what it says, what it refuses and where, and that printing and parsing are opposites."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapfind.core.errors import BadFilter
from snapfind.index.filters import parse
from tests.index.test_contract import SCHEMA, filters, values


@given(filters)
def test_printing_and_parsing_are_opposites(text):
    once = parse(text, SCHEMA)
    assert parse(str(once), SCHEMA) == once


@given(filters, values)
def test_the_printed_filter_means_the_same(text, payload):
    once = parse(text, SCHEMA)
    assert parse(str(once), SCHEMA).matches(payload) == once.matches(payload)


@given(st.text(max_size=60))
def test_any_text_parses_or_is_refused_in_one_sentence(text):
    try:
        parse(text, SCHEMA)
    except BadFilter as error:
        assert error.position is not None and 0 <= error.position <= len(text)


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("price < 'a'", 8, "write a number"),
        ("color = 'red'", 0, "there are"),
        ("prise < 3", 0, "did you mean 'price'"),
        ("brand > 'x'", 6, "no order"),
        ("brand", 0, "exists(brand)"),
        ("price <", 7, "too early"),
        ("price < 3 4", 10, "does not fit"),
        ("brand = 'red", 8, "closing quote"),
        ("added > 2026-13-01", 8, "write a date"),
        ("organic = 1", 10, "true or false"),
        ("", 0, "empty"),
        ("(" * 2000, 50, "flatter"),
        ("not " * 1000 + "organic", 0, "flatter"),
        ("price < 1" + " " * 5000, 4096, "the most is"),
        ("price < 1e999", 8, "write a number"),
        ("price is null", 6, "not exists(field)"),
        ("price is not null", 6, "write: exists(field)"),
        ("price = null", 8, "not exists(field)"),
        ("brand like 'a%'", 6, "no matching of parts"),
        ("brand not contains 'a'", 10, "no matching of parts"),
        ("price <> 3", 7, "!="),
        ("price < 3 && organic", 10, "write and"),
        ("price < 3 || organic", 10, "write or"),
        ("!organic", 0, "write not"),
        ("brand = Acme", 8, '"Acme"'),
        ("brand in (Acme)", 10, '"Acme"'),
        ("tags in ['a']", 8, "parentheses"),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_mend(text, position, said):
    with pytest.raises(BadFilter) as caught:
        parse(text, SCHEMA)
    assert caught.value.position == position
    assert said in caught.value.message


def test_a_filter_says_itself_in_words():
    said = parse('price < 50 and brand in ("red", "blue") and not organic', SCHEMA).sentence
    assert said == "price below 50 and brand is red or blue and not (organic is true)"
    assert parse("added >= 2026-01-31", SCHEMA).sentence == "added from 2026-01-31"


def test_missing_fields_fit_no_comparison_but_its_opposite():
    assert not parse("price < 5", SCHEMA).matches({})
    assert not parse("price >= 5", SCHEMA).matches({})
    assert parse("brand != 'x'", SCHEMA).matches({})
    assert parse("not organic", SCHEMA).matches({})


def test_long_chains_are_flat():
    assert parse(" or ".join(["price = 1"] * 250), SCHEMA).matches({"price": 1})


def test_the_letter_case_of_a_field_does_not_matter_unless_two_differ_in_it_alone():
    assert parse("BRAND = 'x' and Price < 3", SCHEMA) == parse("brand = 'x' and price < 3", SCHEMA)
    two = {"ALT": "text", "alt": "text"}
    assert parse("ALT = 'x'", two) != parse("alt = 'x'", two)
    with pytest.raises(BadFilter, match="no field 'Alt'"):
        parse("Alt = 'x'", two)
