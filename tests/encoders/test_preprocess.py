"""Pictures are scaled to fit and padded, never cropped."""

import numpy as np
import pytest
from PIL import Image
from tests.pictures import picture

from snapfind.encoders.image.preprocess import Preprocessing, fitted, to_tensor


def test_the_longer_side_fills_and_the_rest_is_padded():
    tensor = to_tensor([Image.new("RGB", (400, 200), (10, 20, 30))], Preprocessing(224, pad=(255, 0, 255)))
    assert tensor.shape == (1, 224, 224, 3)
    assert (tensor[0, 56:168] == (10, 20, 30)).all()
    assert (tensor[0, :56] == (255, 0, 255)).all()
    assert (tensor[0, 168:] == (255, 0, 255)).all()


def test_corners_of_the_picture_are_kept():
    image = Image.new("RGB", (300, 500), "white")
    image.paste((255, 0, 0), (0, 0, 60, 60))
    image.paste((0, 0, 255), (240, 440, 300, 500))
    red, blue = np.array(to_tensor([image], Preprocessing(224))[0]).reshape(-1, 3)[[3 * 224 + 50, 220 * 224 + 173]]
    assert red.tolist() == [255, 0, 0]
    assert blue.tolist() == [0, 0, 255]


def test_it_survives_the_manifest():
    chosen = Preprocessing(224, (1, 2, 3), "lanczos")
    assert Preprocessing.parse(chosen.as_dict()) == chosen


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (1, 2000), (100, 30), (224, 224)])
def test_a_picture_fitted_beforehand_gives_the_same_tensor(size):
    image, chosen = picture(7).resize(size), Preprocessing(224)
    assert (to_tensor([fitted(image, chosen)], chosen) == to_tensor([image], chosen)).all()
