"""The copy a catalog keeps is small and says nothing of its maker."""

import io

import pytest
from pictures import LIMITS, difference, scene, written
from PIL import Image, ImageCms

from snapfind.media.image.decode import load
from snapfind.media.image.thumbnail import thumbnail


def private():
    """A JPEG with all the metadata that Pillow can write."""
    exif = Image.Exif()
    exif[0x010F] = "SecretCam"
    exif.get_ifd(0x8825)[2] = (59.0, 20.0, 0.0)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return written(
        scene(), "JPEG", exif=exif, icc_profile=profile, comment=b"SecretNote", xmp=b"<x:xmpmeta>Secret</x:xmpmeta>"
    )


@pytest.mark.parametrize("given", [lambda: load(private(), LIMITS), lambda: Image.open(io.BytesIO(private()))])
def test_a_thumbnail_carries_no_metadata(given):
    assert b"Secret" in private()
    kept = thumbnail(given())
    for trace in (b"Secret", b"Exif", b"ICC_PROFILE", b"xmp"):
        assert trace not in kept
    reopened = Image.open(io.BytesIO(kept))
    assert not reopened.getexif()
    assert not reopened.info.keys() & {"exif", "icc_profile", "comment", "xmp"}


def test_the_longest_side_is_kept_and_small_pictures_are_not_grown():
    assert Image.open(io.BytesIO(thumbnail(scene(1000, 500), side=384))).size == (384, 192)
    assert Image.open(io.BytesIO(thumbnail(scene(50, 20), side=384))).size == (50, 20)
    assert Image.open(io.BytesIO(thumbnail(scene(8000, 2), side=384))).size == (384, 1)


def test_a_thumbnail_looks_like_its_picture():
    kept = Image.open(io.BytesIO(thumbnail(scene(960, 640), side=96)))
    assert difference(kept, scene()) < 4
