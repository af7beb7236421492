"""A product is cut out of white, and photographed again the same way for the same seed."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from snapfind.media.image.background import cut_out_product
from snapfind.media.image.photo_simulation import simulate_photo


@pytest.fixture
def studio() -> Image.Image:
    image = Image.new("RGB", (200, 160), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse([60, 40, 140, 120], (200, 40, 30))
    draw.ellipse([90, 70, 110, 90], "white")  # a white label inside belongs to the product
    return image


def test_white_around_goes_and_white_inside_stays(studio):
    product = cut_out_product(studio)
    alpha = np.asarray(product.getchannel("A"))
    assert product.size == pytest.approx((80, 80), abs=4)
    assert alpha[0, 0] == alpha[-1, -1] == 0
    assert alpha[alpha.shape[0] // 2, alpha.shape[1] // 2] == 255


@pytest.mark.parametrize("color", ["white", "black", (90, 120, 60)])
def test_a_picture_without_product_on_white_stays_whole(color):
    product = cut_out_product(Image.new("RGB", (50, 40), color))
    assert product.size == (50, 40)
    assert np.asarray(product.getchannel("A")).min() == 255


def test_the_same_seed_gives_the_same_photo(studio):
    others = [Image.new("RGB", (60, 90), "blue"), studio]
    first, again, other = (simulate_photo(studio, np.random.default_rng(seed), others).tobytes() for seed in (5, 5, 6))
    assert first == again
    assert first != other


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1), (198, 198), (3, 2)])
def test_any_size_becomes_a_photo(size):
    for seed in range(12):  # all four scenes
        photo = simulate_photo(Image.new("RGB", size, (180, 60, 20)), np.random.default_rng(seed))
        assert photo.size == (256, 256)
        assert photo.mode == "RGB"


def test_the_color_of_the_product_is_still_there(studio):
    reddest = [
        np.asarray(simulate_photo(studio, np.random.default_rng(seed)), int)[..., 0]
        - np.asarray(simulate_photo(studio, np.random.default_rng(seed)), int)[..., 1]
        for seed in range(6)
    ]
    assert all((red > 40).mean() > 0.02 for red in reddest)
