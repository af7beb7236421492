"""Groups do not chain, and blocks find what is near without comparing everything."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from snapfind.curation.detect.blocking import by_hash, by_vector, hashed
from snapfind.curation.detect.duplicates import complete_linkage
from snapfind.encoders.arrays import unit
from snapfind.media.image.fingerprint import fingerprint
from tests.pictures import picture

rows = st.integers(0, 8)
pairs = st.lists(st.tuples(rows, rows, st.floats(0, 1)), max_size=30)


def test_a_bridge_does_not_join_two_groups():
    triangle = [(0, 1, 0.9), (1, 2, 0.9), (0, 2, 0.9)]
    assert complete_linkage([*triangle, (2, 3, 0.5), (3, 4, 0.8)]) == [(0, 1, 2), (3, 4)]


@given(pairs)
def test_every_pair_inside_a_group_was_found_and_groups_are_disjoint(given_pairs):
    found = complete_linkage(given_pairs)
    joined = {(min(a, b), max(a, b)) for a, b, _ in given_pairs}
    assert all((a, b) in joined for group in found for a in group for b in group if a < b)
    flat = [row for group in found for row in group]
    assert len(flat) == len(set(flat)) and all(len(group) > 1 for group in found)
    assert not joined - {(a, a) for a in range(9)} or found


def test_a_hash_pairs_a_picture_with_its_smaller_copy():
    prints = [fingerprint(picture(number)) for number in range(12)]
    prints.append(fingerprint(picture(5).resize((60, 60))))
    assert (5, 12) in set(by_hash(hashed(np.stack(prints))))


def test_neighbors_are_those_of_a_full_scan():
    vectors = unit(np.random.default_rng(0).normal(size=(50, 8)))
    cosines = vectors @ vectors.T
    found = {(a, b) for a, b, _ in by_vector(vectors, 49, 0.5)}
    assert found == {(a, b) for a in range(50) for b in range(a + 1, 50) if cosines[a, b] >= 0.5}
    assert list(by_vector(vectors[:1], 5, 0.0)) == []
