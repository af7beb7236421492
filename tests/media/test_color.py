"""Colors come out as a browser would show them."""

import numpy as np
import pytest
from pictures import FORMATS, LIMITS, difference, scene, written
from PIL import Image, ImageCms

from snapfind.media.image.decode import load


def corner(image):
    return image.getpixel((0, 0))


def near(pixel, wanted, by=6):
    return max(abs(a - b) for a, b in zip(pixel, wanted)) <= by


def test_alpha_is_shown_on_white():
    clear = Image.new("RGBA", (8, 8), (10, 20, 30, 0))
    half = Image.new("RGBA", (8, 8), (0, 0, 0, 128))
    for kind in ("PNG", "WEBP", "TIFF", "AVIF"):
        assert near(corner(load(written(clear, kind), LIMITS)), (255, 255, 255)), kind
        assert near(corner(load(written(half, kind), LIMITS)), (127, 127, 127)), kind
    assert corner(load(written(Image.new("LA", (8, 8), (0, 0)), "PNG"), LIMITS)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_transparency_of_a_palette_is_shown_on_white(kind):
    image = scene().quantize(8)
    hidden = image.getpixel((0, 0))
    found = load(written(image, kind, transparency=hidden), LIMITS)
    assert corner(found) == (255, 255, 255)
    assert near(found.getpixel((95, 0)), (40, 160, 60))


def test_a_key_color_is_transparent():
    found = load(written(scene(), "PNG", transparency=(200, 40, 40)), LIMITS)
    assert corner(found) == (255, 255, 255)


def test_sixteen_bit_grays_are_scaled_not_clipped():
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    for kind in ("PNG", "TIFF"):
        found = np.asarray(load(written(Image.fromarray(ramp), kind), LIMITS))[..., 0]
        assert np.abs(found.ravel() - np.arange(256.0)).max() <= 1


@pytest.mark.parametrize(
    ("levels", "darkest", "brightest"),
    [([0.0, 0.5, 1.0], 0, 255), ([0, 100, 255], 0, 255), ([-3, 0, 9], 0, 255), ([0.2, 0.2, 0.2], 51, 51)],
)
def test_float_grays_find_their_range(levels, darkest, brightest):
    image = Image.fromarray(np.array([levels], np.float32))
    found = np.asarray(load(written(image, "TIFF"), LIMITS))
    assert (found.min(), found.max()) == (darkest, brightest)


def test_floats_that_are_no_numbers_are_black():
    image = Image.fromarray(np.array([[np.nan, np.inf, 1.0]], np.float32))
    assert np.asarray(load(image, LIMITS))[0, :, 0].tolist() == [0, 0, 255]


def test_whole_numbers_of_32_bits_find_their_range():
    assert corner(load(Image.new("I", (2, 2), 65535), LIMITS)) == (255, 255, 255)
    assert corner(load(Image.new("I", (2, 2), 128), LIMITS)) == (128, 128, 128)


def test_cmyk_of_print_shops_plain_and_as_adobe_inverts_it():
    # naive CMYK of the scene; Pillow writes JPEG with Adobe's marker and inverted inks, TIFF with plain inks
    inks = scene().convert("CMYK")
    for kind in ("JPEG", "TIFF"):
        file = written(inks, kind)
        assert (b"Adobe" in file) == (kind == "JPEG")
        assert difference(load(file, LIMITS), scene()) < 4


@pytest.mark.parametrize("mode", ["1", "L", "P", "YCbCr", "HSV"])
def test_other_modes_become_rgb(mode):
    image = scene().convert(mode)
    assert difference(load(image, LIMITS), image.convert("RGB")) < 1


def test_lab_becomes_rgb():
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    assert difference(load(ImageCms.applyTransform(scene(), to_lab), LIMITS), scene()) < 4


def swapped_profile():
    """A real RGB profile whose red and blue primaries have changed places."""
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return plain.replace(b"rXYZ", b"tmp!").replace(b"bXYZ", b"rXYZ").replace(b"tmp!", b"bXYZ")


def test_a_color_profile_is_applied():
    red = Image.new("RGB", (8, 8), (255, 0, 0))
    assert near(corner(load(written(red, "PNG", icc_profile=swapped_profile()), LIMITS)), (0, 0, 255))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert near(corner(load(written(red, "PNG", icc_profile=srgb), LIMITS)), (255, 0, 0), 1)


@pytest.mark.parametrize("profile", [b"x", b"\0" * 200, b"GARBAGE" * 100])
@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind not in ("GIF", "BMP", "AVIF")])
def test_a_broken_profile_is_left_out(profile, kind):
    assert difference(load(written(scene(), kind, icc_profile=profile), LIMITS), scene()) < 4


def test_a_profile_of_another_color_space_or_cut_off_is_left_out():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    gray = scene().convert("L")
    assert difference(load(written(gray, "PNG", icc_profile=srgb), LIMITS), gray) < 1
    assert difference(load(written(scene(), "PNG", icc_profile=srgb[:200]), LIMITS), scene()) < 1
