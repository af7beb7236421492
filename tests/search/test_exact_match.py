"""Exact matches come first: ids and article numbers, then titles, then brands, whatever the case and punctuation."""

import pytest

from snapfind.index.base import IndexMatch
from snapfind.search.exact_match import exact_matches

SHELF = [
    IndexMatch("1", 3.0, {"_product": "MUG-1", "title": "Blue mug", "brand": "Kiln"}),
    IndexMatch("2", 2.0, {"_product": "mug-2", "title": "Kiln", "brand": "Kiln"}),
    IndexMatch("3", 1.0, {"_product": "茶-3", "title": "Grönt te", "ean": "4006381333931"}),
]


@pytest.mark.parametrize(
    ("words", "ranks"),
    [
        ("mug-1", {"MUG-1": 0}),
        ("mug 1", {"MUG-1": 0}),
        ("blue  MUG", {"MUG-1": 1}),
        ("kiln", {"MUG-1": 2, "mug-2": 1}),
        ("GRÖNT TE", {"茶-3": 1}),
        ("茶-3", {"茶-3": 0}),
        ("4006381333931", {"茶-3": 0}),
        ("mug", {}),
        ("!?", {}),
    ],
)
def test_named_products(words, ranks):
    assert exact_matches(SHELF, words) == ranks
