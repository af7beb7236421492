"""Cut-outs keep showing: a nearly white product on a transparent ground is seen in every mode and format."""

import io

import numpy as np
import pytest
from pictures import LIMITS, written
from PIL import Image, ImageDraw

from snapfind.client.convert import base64_of
from snapfind.encoders.image.preprocess import Preprocessing, to_tensor
from snapfind.media.image.decode import load
from snapfind.media.image.fingerprint import is_blank


def cutout(mode="RGBA", color=255):
    """A disc of a gray level on a transparent ground."""
    alpha = Image.new("L", (120, 100), 0)
    ImageDraw.Draw(alpha).ellipse([30, 20, 90, 80], fill=255)
    image = Image.new("L", alpha.size, color)
    image.putalpha(alpha)
    return image if mode == "LA" else image.convert(mode)


def spread(image):
    return float(np.asarray(image.convert("L"), float).std())


def sources():
    yield "PNG RGBA", written(cutout(), "PNG")
    yield "PNG LA", written(cutout("LA"), "PNG")
    yield "WebP", written(cutout(), "WEBP", lossless=True)
    yield "TIFF", written(cutout(), "TIFF")
    yield "AVIF", written(cutout(), "AVIF")
    # white twice: once as the product, once as what is transparent
    palette = Image.new("P", (120, 100), 0)
    palette.putpalette([255, 255, 255] * 2)
    ImageDraw.Draw(palette).ellipse([30, 20, 90, 80], fill=1)
    yield "PNG palette", written(palette, "PNG", transparency=0)
    yield "GIF", written(palette, "GIF", transparency=0)
    key = Image.new("RGB", (120, 100), (254, 255, 255))
    ImageDraw.Draw(key).ellipse([30, 20, 90, 80], fill="white")
    yield "PNG key color", written(key, "PNG", transparency=(254, 255, 255))
    deep = np.full((100, 120), 65000, np.uint16)
    deep[20:80, 30:90] = 65535
    yield "PNG 16-bit key gray", written(Image.fromarray(deep), "PNG", transparency=65000)
    for mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        image = cutout("LA" if mode == "La" else "RGBA")
        yield f"PIL {mode}", image.convert(mode)


@pytest.mark.parametrize(("name", "source"), [pytest.param(*one, id=one[0]) for one in sources()])
def test_a_white_product_on_a_transparent_ground_shows(name, source):
    found = load(source, LIMITS)
    assert found.mode == "RGB" and spread(found) > 20, name
    assert found.getpixel((60, 50)) == pytest.approx((255, 255, 255), abs=3)
    assert not is_blank(found)


@pytest.mark.parametrize("color", [0, 60, 120, 180, 215])
def test_other_cutouts_stand_on_white(color):
    assert load(written(cutout(color=color), "PNG"), LIMITS).getpixel((0, 0)) == (255, 255, 255)


def test_a_product_with_some_white_stands_on_white():
    image = cutout()
    ImageDraw.Draw(image).rectangle([40, 40, 80, 70], fill=(20, 40, 160, 255))
    assert load(image, LIMITS).getpixel((0, 0)) == (255, 255, 255)


def test_an_opaque_white_picture_and_an_empty_one_stay_white():
    for image in (Image.new("RGBA", (40, 40), "white"), Image.new("RGBA", (40, 40), (0, 0, 0, 0))):
        found = load(image, LIMITS)
        assert found.getpixel((0, 0)) == (255, 255, 255) and is_blank(found)


def test_a_thin_white_product_shows():
    image = Image.new("RGBA", (800, 800), (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse([300, 300, 500, 500], outline=(255, 255, 255, 255), width=3)
    assert load(image, LIMITS).getpixel((0, 0)) != (255, 255, 255)


@pytest.mark.parametrize("resize", ["fit", "squash"])
def test_an_encoder_sees_what_a_catalog_shows(resize):
    preprocessing = Preprocessing(64, resize=resize)
    assert (to_tensor([cutout()], preprocessing) == to_tensor([load(cutout(), LIMITS)], preprocessing)).all()


def test_the_client_sends_the_transparency_too():
    import base64

    sent = base64.b64decode(base64_of(cutout()))
    assert Image.open(io.BytesIO(sent)).mode == "RGBA" and spread(load(sent, LIMITS)) > 20


@pytest.mark.parametrize(
    ("image", "blank"),
    [
        (Image.new("RGB", (300, 300), "white"), True),
        (Image.new("RGB", (300, 300), (90, 20, 60)), True),
        (Image.fromarray(np.random.default_rng(0).integers(240, 250, (300, 300, 3), dtype=np.uint8)), True),
        (cutout(color=200), False),
    ],
)
def test_blank_is_one_color_but_for_noise(image, blank):
    assert is_blank(load(image, LIMITS)) == blank


def test_a_thin_line_is_no_blank():
    image = Image.new("RGB", (384, 384), "white")
    ImageDraw.Draw(image).line([20, 20, 360, 200], fill="black")
    assert not is_blank(image)
