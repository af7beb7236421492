"""Bytes flipped at random in good files: a picture or BadPicture comes out, nothing else."""

import random
import warnings

import pytest
from pictures import FORMATS, LIMITS, scene, written
from PIL import Image

from snapfind.core.errors import BadPicture
from snapfind.media.image.decode import load, probe


def damaged(file, chance):
    """A few bytes changed, removed, doubled, or the tail swapped for noise."""
    body = bytearray(file)
    for _ in range(chance.choice((1, 1, 2, 8))):
        place = chance.randrange(min(len(body), chance.choice((64, 512, len(body)))))
        length = chance.choice((1, 1, 4, 40))
        body[place : place + length] = chance.choice(
            (chance.randbytes(length), b"", b"\xff" * length, b"\0" * length, bytes(body[place : place + length]) * 2)
        )
    return bytes(body)


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_are_pictures_or_bad_pictures(kind):
    chance = random.Random(kind)
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {} if kind in ("GIF", "BMP") else {"exif": exif}
    whole = written(scene(64, 48).effect_spread(5), kind, **options)
    outcomes = set()
    for _ in range(300):
        file = damaged(whole, chance)
        with warnings.catch_warnings():
            # Outside of tests Pillow's warnings are not errors; both ways must hold.
            warnings.simplefilter(chance.choice(("ignore", "error")), UserWarning)
            try:
                found = load(file, LIMITS, side=chance.choice((None, 16)))
                assert found.mode == "RGB"
                assert probe(file, LIMITS)[1] > 0
                outcomes.add("picture")
            except BadPicture as error:
                assert "/" not in error.message.split("(")[0]
                outcomes.add(error.code)
    assert "picture" in outcomes
    assert outcomes & {"picture_broken", "picture_format"}
