"""Objects are found where they were pasted; boxes stay in 0..1 and turn with the photo; the caller's box wins."""

import io

import numpy as np
import pytest
from benchmarks.synthetic_scenes import compose_scene
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from snapfind import Box, Query, QueryTerm
from snapfind.core.errors import BadQuery
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.media.image.background import cut_out_product
from snapfind.search.region_proposals import energy, find
from tests.pictures import picture


@pytest.fixture(scope="module")
def encoder():
    return Builtin.load()


def scene(seed, products=(3, 5)):
    """Two figures on a soft slope of gray, and their boxes."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(90, 140, 360)[:, None, None] * np.ones((1, 300, 3))
    back = Image.fromarray(slope.astype(np.uint8))
    return compose_scene([cut_out_product(picture(number, 192)) for number in products], back, rng)


def found(encoder, photo):
    return find(photo, encoder.extract_feature_map(photo).cells)


def test_pasted_objects_are_found(encoder):
    ious = []
    for seed in range(8):
        photo, boxes = scene(seed)
        regions = found(encoder, photo)
        ious += [max((box.iou(region.box) for region in regions), default=0.0) for box in boxes if box]
    assert np.mean(ious) > 0.5


def test_most_proposals_of_street_photos_are_not_background(encoder, real_data):
    background = total = 0
    for path in sorted((real_data / "ccp" / "images").glob("*.jpg"))[100:130]:
        photo = Image.open(path).convert("RGB")
        empty = np.asarray(Image.open(real_data / "ccp" / "masks" / f"{path.stem}.png")) == 0
        for region in found(encoder, photo):
            left, top, right, bottom = region.box.pixels(empty.shape[1], empty.shape[0])
            background += empty[top:bottom, left:right].mean() > 0.8
            total += 1
    assert total >= 60
    assert background / total < 0.35, "without the limits at the border it is above .4"


def test_a_plain_picture_has_no_object(encoder):
    assert found(encoder, Image.new("RGB", (200, 100), "white")) == ()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(8, 700), st.integers(8, 700), st.integers(0, 2**16))
def test_boxes_lie_inside_the_picture_whatever_its_shape(encoder, width, height, seed):
    noise = np.random.default_rng(seed).integers(0, 255, (12, 9, 3), dtype=np.uint8)
    photo = Image.fromarray(noise).resize((width, height))
    for region in found(encoder, photo):
        assert 0 <= region.box.x0 < region.box.x1 <= 1 and 0 <= region.box.y0 < region.box.y1 <= 1
        assert 0 <= region.score <= 1


@given(st.integers(2, 400), st.integers(2, 400))
def test_energy_lies_over_the_picture_and_not_over_the_padding(width, height):
    cells = np.random.default_rng(0).random((4, 14, 14), dtype=np.float32)
    level = energy(cells, (width, height))
    assert level.min() == 0 and level.max() == 1
    assert (level.shape[0] - level.shape[1]) * (height - width) >= 0


@pytest.mark.parametrize("turn", [3, 6, 8])
def test_boxes_are_those_of_the_displayed_picture_however_the_file_lies(catalog, turn):
    photo, _ = scene(1)
    raw = photo.transpose(
        {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}[turn]
    )
    exif = Image.Exif()
    exif[0x0112] = turn
    lying, upright = io.BytesIO(), io.BytesIO()
    raw.save(lying, "PNG", exif=exif)
    photo.save(upright, "PNG")
    assert catalog.regions(lying.getvalue()) == catalog.regions(upright.getvalue())
    assert catalog.search(lying.getvalue()).box == catalog.search(upright.getvalue()).box


def test_a_search_says_what_it_searched_and_the_caller_s_box_wins(catalog):
    photo, _ = scene(2)
    subject = catalog.search(photo)
    assert subject.box is not None and subject.regions[0].box == subject.box
    given_box = Box(0.1, 0.1, 0.6, 0.7)
    boxed = catalog.search(photo, box=given_box, regions="all")
    assert boxed.box == given_box and boxed.regions[0].box == given_box
    assert len(boxed.groups) == 1 and boxed.groups[0].hits == boxed.hits
    assert catalog.search(photo, regions="whole").box is None


def test_all_objects_get_hits_of_their_own(catalog):
    photo, boxes = scene(4, products=(0, 3))  # tea-1 and mug-1
    answer = catalog.search(photo, regions="all", limit=2)
    assert [group.region for group in answer.groups] == list(answer.regions)
    assert answer.hits == answer.groups[0].hits and all(len(group.hits) == 2 for group in answer.groups)
    firsts = {}
    for product, box in zip(("tea-1", "mug-1"), boxes):
        nearest = max(answer.groups, key=lambda group, box=box: group.region.box.iou(box))
        firsts[product] = nearest.hits[0].product.id
    assert firsts == {"tea-1": "tea-1", "mug-1": "mug-1"}


def test_all_objects_need_one_photo():
    with pytest.raises(BadQuery, match="one photo"):
        Query((QueryTerm(text="tea"),), regions="all")
    with pytest.raises(BadQuery, match="auto, whole, subject, all"):
        Query((QueryTerm(text="tea"),), regions="some")
