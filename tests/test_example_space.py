"""The example space of pictures and texts: whole, of the shipped encoders, and it knows groceries."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import snapfind
from snapfind.encoders.crossmodal.lit import LitSpace
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.text.e5 import TextEncoder

SPACE = Path(__file__).parent.parent / "examples" / "groceries-and-clothes"


def test_a_catalog_without_titles_answers_words_through_it(tmp_path):
    for name, color in (("a", (250, 220, 40)), ("b", (30, 60, 160))):
        Image.new("RGB", (96, 96), color).save(tmp_path / f"{name}.png")
    (tmp_path / "products.csv").write_text("id,picture\na,a.png\nb,b.png\n")
    with snapfind.open(tmp_path / "shop.snap") as shop:
        shop.add(tmp_path / "products.csv")
        before = [hit.parts["text_to_image"] for hit in shop.search("lemon")]
        shop.models.use_text_to_image(str(SPACE))
        after = [hit.parts["text_to_image"] for hit in shop.search("lemon")]
    assert len(before) == len(after) == 2
    assert before != after


@pytest.mark.skipif("SNAPFIND_DATA" not in os.environ, reason="SNAPFIND_DATA does not name the real photos")
def test_photos_it_never_saw_are_nearest_their_own_names():
    folder = Path(os.environ["SNAPFIND_DATA"]) / "grocery"
    with (folder / "classes.csv").open() as table:
        names = [row[0].replace("-", " ") for row in list(csv.reader(table))[1:]]
    rows = [line.split(", ") for line in (folder / "val.txt").read_text().splitlines()[::10]]
    encoder = Builtin.load()
    space = LitSpace.load(SPACE, TextEncoder(), encoder.raw_id)
    look = encoder.extract_features([Image.open(folder / path).convert("RGB") for path, _, _ in rows])
    nearest = (space.encode_features(look) @ space.texts(names, role="query").T).argmax(axis=1)
    assert np.mean(nearest == [int(fine) for _, fine, _ in rows]) > 0.5
