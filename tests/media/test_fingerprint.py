"""A fingerprint survives another format and size; unrelated pictures are far apart."""

import io
import itertools

from PIL import Image, ImageEnhance
from tests.pictures import picture

from snapfind.media.image.fingerprint import difference, fingerprint


def jpeg(image, quality):
    held = io.BytesIO()
    image.save(held, "JPEG", quality=quality)
    return Image.open(held)


def test_a_fingerprint_survives_another_file():
    for number in range(8):
        image = picture(number, 240)
        for changed in (jpeg(image, 40), image.resize((100, 100)), ImageEnhance.Brightness(image).enhance(0.8)):
            assert difference(fingerprint(image), fingerprint(changed)) < 0.3


def test_unrelated_pictures_differ_and_the_difference_is_symmetric():
    prints = [fingerprint(picture(number, 240)) for number in range(12)]
    gaps = [difference(a, b) for a, b in itertools.combinations(prints, 2)]
    assert min(gaps) > 0.25  # the most that is told for the same
    assert difference(prints[0], prints[1]) == difference(prints[1], prints[0])
    assert difference(prints[3], prints[3]) == 0
