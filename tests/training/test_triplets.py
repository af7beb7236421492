"""Triplets of clicked and skipped items, and their cleaning by Virtual IDs and distances."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")

from snapfind.training.data.click_log import Search
from snapfind.training.losses.triplets import clean_triplets, mine_triplets


def test_negatives_are_skipped_items_above_a_click():
    searches = [Search(0, (5, 6, 7, 8), (7,)), Search(1, (5, 6, 7), (5, 7)), Search(2, (5, 6), ())]
    assert mine_triplets(searches).tolist() == [[0, 7, 5], [0, 7, 6], [1, 7, 6]]
    assert mine_triplets([]).shape == (0, 3)


def test_a_negative_of_the_same_virtual_id_goes_and_one_without_an_id_stays():
    rows = np.eye(4, dtype=np.float32)
    triplets = np.array([[0, 0, 1], [0, 0, 2], [0, 3, 2]])
    clean = clean_triplets(triplets, rows, np.ones((4, 4), np.float32) / 2, np.array([7, 7, -1, -1]))
    assert clean.tolist() == [[0, 0, 2], [0, 3, 2]]


def test_the_clicks_farthest_from_their_photo_go():
    items = np.stack([np.cos(np.arange(20) / 20), np.sin(np.arange(20) / 20)], axis=1).astype(np.float32)
    photos, triplets = np.array([[1.0, 0.0]], np.float32), np.array([[0, item, 0] for item in range(20)])
    clean = clean_triplets(triplets, photos, items, np.full(20, -1))
    assert clean[:, 1].tolist() == list(range(18))
    assert len(clean_triplets(triplets[:0], photos, items, np.full(20, -1))) == 0
