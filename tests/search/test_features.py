"""What a click model reads: the same value, the same row; what is missing, row 0."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapfind.core.errors import BadInput
from snapfind.search.rerank.features import Field, bucket, encode

FIELDS = (
    Field("brand", "hashed", 32),
    Field("price", "number"),
    Field("seen", "sequence", 32, table="brand", most=2),
)
TEXTS = st.none() | st.text(max_size=8)


@given(st.lists(st.tuples(TEXTS, st.none() | st.floats(), st.lists(st.text(max_size=3), max_size=4)), max_size=12))
def test_rows_are_encoded_each_for_itself(rows):
    columns = {name: [row[at] for row in rows] for at, name in enumerate(("brand", "price", "seen"))}
    whole = encode(columns, FIELDS, len(rows))
    assert whole.ids.shape == (len(rows), 1) and whole.lists.shape == (len(rows), 1, 2)
    assert ((whole.ids >= 0) & (whole.ids < 32)).all()
    for place, (brand, price, seen) in enumerate(rows):
        alone = encode({"brand": [brand], "price": [price], "seen": [seen]}, FIELDS, 1)
        assert (alone.ids == whole.ids[place]).all() and (alone.lists[0] == whole.lists[place]).all()
        assert np.array_equal(alone.numbers[0], whole.numbers[place], equal_nan=True)
        assert (whole.ids[place, 0] == 0) == (not brand)
        known = price is not None and math.isfinite(price)
        assert bool(np.isfinite(whole.numbers[place, 0])) == known
        assert whole.lists[place, 0].tolist() == [bucket(one, "brand", 32) for one in seen[-2:]] + [0] * (2 - len(seen))


def test_fields_of_a_table_share_its_rows_and_a_column_that_is_not_there_is_missing():
    found = encode({"brand": ["Acme"], "seen": [["Acme"]]}, FIELDS, 1)
    assert found.ids[0, 0] == found.lists[0, 0, 0] > 0 and np.isnan(found.numbers[0, 0])
    assert bucket("Acme", "brand", 32) != bucket("Acme", "category", 32)
    assert bucket("Acme", "brand", 1 << 14) == 10994  # stored weights depend on it: it must not change


@pytest.mark.parametrize("given", [("a", "word", 8), ("a", "hashed", 1), ("a", "sequence", 8), ("a", "hashed", 2**25)])
def test_a_field_that_cannot_be_is_refused(given):
    with pytest.raises(BadInput):
        Field(*given)
