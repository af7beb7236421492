"""A garment in another color is another product: it is neither reported nor hidden as the same picture."""

import csv
import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from snapfind.catalog.ingest.duplicates import grade
from snapfind.curation.detect.duplicates import find_duplicates, thumb
from snapfind.media.image.fingerprint import (
    cells_of,
    color_difference,
    difference,
    largest_difference,
    palette_difference,
    standardize,
)
from tests.catalog.conftest import Shop

COLORS = ["black", "dimgray", "darkgreen", "navy", "firebrick", "purple"]


def shirt(color, side=320):
    image = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(image)
    draw.polygon([(60, 60), (110, 40), (210, 40), (260, 60), (290, 130), (245, 150), (245, 290), (75, 290), (75, 150),
                  (30, 130)], fill=color)  # fmt: skip
    draw.line([(160, 60), (160, 290)], fill="gainsboro", width=4)
    return image


def encoded(image, kind="JPEG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return Image.open(io.BytesIO(file.getvalue())).convert("RGB")


def grades(images):
    pairs = find_duplicates([""] * len(images), np.stack([thumb(one) for one in images]), np.eye(len(images), 64))
    return {(pair.a, pair.b): pair.grade for pair in pairs}


def grade_when_added(one, other):
    a, b = cells_of(one), cells_of(other)
    own, its = standardize(a), standardize(b)
    colors = color_difference(a, b), palette_difference(a, b)
    return grade(0.99, difference(own, its), largest_difference(own, its), colors)


@pytest.mark.parametrize("color", COLORS)
def test_copies_are_the_same_picture_and_other_colors_are_not(color):
    image = shirt(color)
    copies = [encoded(image, quality=40), encoded(image, "WEBP", quality=50), image.resize((120, 120))]
    others = [shirt(other) for other in COLORS if other != color]
    found = grades([image, *copies, *others])
    same = {pair for pair, grade in found.items() if grade == "same picture" and 0 in pair}
    assert same == {(0, 1), (0, 2), (0, 3)}
    assert [grade_when_added(image, copy) for copy in copies] == ["same picture"] * 3
    assert "same picture" not in [grade_when_added(image, other) for other in others]


def test_variants_in_other_colors_are_added_without_a_word_and_none_is_hidden(tmp_path):
    shop = Shop(tmp_path)
    for color in COLORS:
        (tmp_path / "shirts").mkdir(exist_ok=True)
        shirt(color).save(tmp_path / "shirts" / f"{color}.png")
    with shop.open() as catalog:
        assert catalog.add(tmp_path / "shirts").duplicates == []


def test_exact_recolorings_of_real_garments_are_seldom_the_same_picture(real_data):
    with (real_data / "luma" / "recolour.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if float(row["share"]) >= 0.1][::6]
    same = 0
    for row in rows:
        images = [Image.open(real_data / "luma" / row[side]).convert("RGB") for side in ("source", "target")]
        same += "same picture" in grades(images).values()
    assert len(rows) > 40 and same <= 0.04 * len(rows)
