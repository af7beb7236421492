"""Photos of shoppers move an adapter to where photos lie, labeled or not; features are drawn: the truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapfind.encoders.adapter import Adapter
from snapfind.encoders.adapters.closed_form import solve
from snapfind.encoders.adapters.semi_supervised import fit_semi_supervised
from snapfind.encoders.arrays import unit

PRODUCTS, WIDTH = 24, 48


class World:
    """Pictures, photographs made of them, and photos that differ from both: moved, and each product in its own way."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.studio = unit(self.rng.normal(size=(PRODUCTS, WIDTH)) + 2)
        self.drift = 0.12 * self.rng.normal(size=(PRODUCTS, WIDTH))
        self.moved = 0.25 * self.rng.normal(size=WIDTH)
        self.made = self.around(self.studio, 6).reshape(PRODUCTS, 6, WIDTH)

    def around(self, centers, count):
        """(len(centers) * count, WIDTH) noisy unit rows about them."""
        rows = np.repeat(centers, count, axis=0)
        return unit(rows + 0.05 * self.rng.normal(size=rows.shape))

    def photos(self, count):
        """`count` photos of each product, in the order of the products."""
        return self.around(self.studio + self.drift + self.moved, count)


def nothing(photos):
    """No label of any of them."""
    return np.zeros((len(photos), PRODUCTS))


def recall(weights, world, photos):
    adapter = Adapter("", weights)
    scores = adapter.project(photos, "query") @ adapter.project(world.studio, "document").T
    return (scores.argmax(axis=1) == np.repeat(np.arange(PRODUCTS), len(photos) // PRODUCTS)).mean()


def test_photos_that_nobody_labeled_find_more_than_photographs_made_of_pictures():
    before, after = [], []
    for seed in range(5):
        world = World(seed)
        asked = world.photos(8)
        before.append(recall(solve(world.studio, world.made), world, asked))
        photos = world.photos(12)
        after.append(recall(fit_semi_supervised(world.studio, world.made, photos, nothing(photos)), world, asked))
    assert np.mean(after) > np.mean(before) + 0.1, (before, after)
    assert min(after) > 0.8, after


def test_a_label_a_product_finds_more_than_none_and_others_without_one_help():
    alone, beside, without = [], [], []
    for seed in range(5):
        world = World(seed)
        photos, asked = world.photos(8), world.photos(8)
        told = nothing(photos)
        first = np.arange(0, len(photos), 8)
        told[first, np.arange(PRODUCTS)] = 1
        alone.append(recall(fit_semi_supervised(world.studio, world.made, photos[first], told[first]), world, asked))
        beside.append(recall(fit_semi_supervised(world.studio, world.made, photos, told), world, asked))
        without.append(recall(fit_semi_supervised(world.studio, world.made, photos, nothing(photos)), world, asked))
    assert np.mean(beside) >= np.mean(without), (beside, without)
    assert np.mean(beside) >= np.mean(alone), (beside, alone)
    assert np.mean(beside) > 0.9, beside


def test_labels_that_are_wrong_are_believed():
    """A label is what was asked for: with the names of all products moved by one, photos find the next product."""
    world = World(2)
    photos = world.photos(8)
    told = np.eye(PRODUCTS)[(np.repeat(np.arange(PRODUCTS), 8) + 1) % PRODUCTS]
    adapter = Adapter("", fit_semi_supervised(world.studio, world.made, photos, told))
    scores = adapter.project(world.photos(4), "query") @ adapter.project(world.studio, "document").T
    assert (scores.argmax(axis=1) == (np.repeat(np.arange(PRODUCTS), 4) + 1) % PRODUCTS).mean() > 0.5


def test_one_photo_changes_little_and_nothing_breaks():
    world = World(0)
    alone = fit_semi_supervised(world.studio, world.made, world.photos(1)[:1], np.zeros((1, PRODUCTS)))
    assert all(np.isfinite(value).all() and value.dtype == np.float32 for value in alone.values())
    made = world.made.reshape(-1, WIDTH)
    assert recall(alone, world, made) >= recall(solve(world.studio, world.made), world, made) - 0.1


def test_photos_of_half_of_the_products_leave_the_others_to_be_found():
    before, after = [], []
    for seed in range(5):
        world = World(seed)
        seen, asked = world.photos(12)[: PRODUCTS // 2 * 12], world.photos(8)
        before.append(recall(solve(world.studio, world.made), world, asked))
        after.append(recall(fit_semi_supervised(world.studio, world.made, seen, nothing(seen)), world, asked))
    assert np.mean(after) > np.mean(before), (before, after)


@settings(max_examples=15)
@given(st.permutations(range(PRODUCTS * 4)))
def test_the_order_of_the_photos_does_not_matter(order):
    world = World(3)
    photos = world.photos(4)
    first, second = (
        fit_semi_supervised(world.studio, world.made, rows, nothing(rows)) for rows in (photos, photos[list(order)])
    )
    for name, value in first.items():
        np.testing.assert_allclose(second[name], value, atol=1e-3)


@pytest.mark.parametrize("count", [2, 30])
def test_the_same_photo_again_and_again_does_no_harm(count):
    world = World(1)
    photos = np.repeat(world.photos(1)[:1], count, axis=0)
    weights = fit_semi_supervised(world.studio, world.made, photos, nothing(photos))
    assert all(np.isfinite(value).all() for value in weights.values())
