"""The eight orientations show one picture; a broken label never loses the picture."""

import pytest
from pictures import LIMITS, difference, scene, written
from PIL import Image

from snapfind.media.image.decode import load, probe

TURN = Image.Transpose
STORED = {  # how a camera stores the scene so that the label turns it back
    1: None,
    2: TURN.FLIP_LEFT_RIGHT,
    3: TURN.ROTATE_180,
    4: TURN.FLIP_TOP_BOTTOM,
    5: TURN.TRANSPOSE,
    6: TURN.ROTATE_90,
    7: TURN.TRANSVERSE,
    8: TURN.ROTATE_270,
}


def labeled(label, kind):
    turn = STORED[label]
    exif = Image.Exif()
    exif[0x0112] = label
    return written(scene() if turn is None else scene().transpose(turn), kind, exif=exif)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("label", STORED)
def test_all_eight_orientations_display_the_same_picture(label, kind):
    file = labeled(label, kind)
    assert difference(load(file, LIMITS), scene()) < 4
    assert probe(file, LIMITS) == (kind, 96, 64)
    assert load(file, LIMITS, side=48).size == (48, 32)


@pytest.mark.parametrize("label", [0, 9, 65535])
def test_a_label_out_of_range_turns_nothing(label):
    exif = Image.Exif()
    exif[0x0112] = label
    assert load(written(scene(), "JPEG", exif=exif), LIMITS).size == (96, 64)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")  # Pillow says so while it reads on
@pytest.mark.parametrize("damage", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff"])
def test_broken_exif_is_left_out(damage):
    broken = written(scene(), "JPEG", exif=damage)
    assert difference(load(broken, LIMITS), scene()) < 4
    assert probe(broken, LIMITS)[1:] == (96, 64)
