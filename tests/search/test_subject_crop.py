"""A small product in a large scene is found by its crop. A photo that is matched as a whole is searched whole."""

import numpy as np
import pytest
from PIL import Image

from tests.catalog.conftest import Shop
from tests.pictures import picture, save

PRODUCTS = 12


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    shop = Shop(tmp_path_factory.mktemp("crop"))
    for number in range(PRODUCTS):
        save(number, shop.folder / "more" / f"m{number}.png", side=192)
    with shop.open() as opened:
        opened.add(shop.folder / "more")
        yield opened


def scene(number, seed):
    """A product that covers a fifth of a gray scene, off its center, and where it lies (left, top, right, bottom)."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(90, 140, 400)[:, None, None] * np.ones((1, 400, 3))
    photo = Image.fromarray(slope.astype(np.uint8))
    product = picture(number, 192)
    inside = np.asarray(product.convert("L")) < 250
    left, top = (int(value) for value in rng.integers(5, 200, 2))
    photo.paste(product, (left, top), Image.fromarray((inside * 255).astype(np.uint8)))
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    sides = left + columns[0], top + rows[0], left + columns[-1] + 1, top + rows[-1] + 1
    return photo, [side / 400 for side in sides]


def iou(box, other):
    width = min(box.x1, other[2]) - max(box.x0, other[0])
    height = min(box.y1, other[3]) - max(box.y0, other[1])
    shared = max(width, 0) * max(height, 0)
    return shared / (box.area + (other[2] - other[0]) * (other[3] - other[1]) - shared)


def test_the_crop_lies_on_the_product_and_finds_it_more_often_than_the_whole_photo(catalog):
    cropped = right = whole = 0
    for number in range(PRODUCTS):
        photo, truth = scene(number, seed=number)
        answer = catalog.search(photo, regions="subject")
        cropped += answer.box is not None and iou(answer.box, truth) > 0.5
        right += answer[0].product.id == f"m{number}"
        whole += catalog.search(photo, regions="whole")[0].product.id == f"m{number}"
    assert cropped >= 0.7 * PRODUCTS
    assert right > whole


def test_the_default_crops_where_the_crop_finds_the_product(catalog):
    cropped = right = whole = 0
    for number in range(PRODUCTS):
        photo, _ = scene(number, seed=number)
        answer = catalog.search(photo)
        cropped += answer.box is not None
        right += answer[0].product.id == f"m{number}"
        whole += catalog.search(photo, regions="whole")[0].product.id == f"m{number}"
    assert cropped >= 0.5 * PRODUCTS
    assert right >= whole + 2, "the default does not crop, or cropping does not help"


def test_a_scene_in_the_catalog_is_searched_whole(tmp_path):
    shop = Shop(tmp_path)
    for number in range(PRODUCTS):
        (shop.folder / "scenes").mkdir(exist_ok=True)
        scene(number, seed=number)[0].save(shop.folder / "scenes" / f"s{number}.png")
    with shop.open() as catalog:
        catalog.add(shop.folder / "scenes")
        for number in range(PRODUCTS):
            answer = catalog.search(shop.folder / "scenes" / f"s{number}.png")
            assert answer.box is None and answer[0].product.id == f"s{number}"
            assert answer.regions, "the main object is proposed, although the whole photo is searched"


def test_the_filter_counts_for_the_choice(catalog):
    photo, _ = scene(3, seed=3)
    assert catalog.search(photo, filter="id = 'none'").hits == ()


def test_a_product_that_fills_the_photo_is_searched_whole(catalog):
    assert catalog.search(picture(3, 192), regions="subject").box is None
