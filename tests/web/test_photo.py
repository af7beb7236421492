"""The photo that the page sends: small, upright, and transparent where the file is."""

import base64
import io

import pytest
from PIL import Image, ImageDraw

from tests.pictures import picture

pytestmark = pytest.mark.enable_socket  # loopback only
SHRINK = """async ([encoded, type]) => {
    const { shrink } = await import(new URL("photo.js", document.querySelector("script[type=module]").src));
    const bytes = Uint8Array.from(atob(encoded), (one) => one.charCodeAt(0));
    const sent = await shrink(new File([bytes], "photo", {type}));
    return btoa(String.fromCharCode(...new Uint8Array(await sent.arrayBuffer())));
}"""


def sent(page, image, kind):
    """What the page makes of a file."""
    written = io.BytesIO()
    image.save(written, kind)
    found = page.evaluate(SHRINK, [base64.b64encode(written.getvalue()).decode(), f"image/{kind.lower()}"])
    return Image.open(io.BytesIO(base64.b64decode(found)))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_white_cutout_keeps_its_transparency(page, kind):
    cut_out_product = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    ImageDraw.Draw(cut_out_product).ellipse([40, 40, 160, 160], fill="white")
    image = sent(page, cut_out_product, kind)
    assert image.format == "PNG" and image.getpixel((5, 5))[3] == 0 and image.getpixel((100, 100))[3] == 255


def test_an_opaque_photo_is_sent_as_a_jpeg(page):
    assert sent(page, picture(3), "PNG").format == "JPEG"
