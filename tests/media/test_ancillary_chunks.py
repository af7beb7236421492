"""What stands beside the pixels refuses no sound picture and costs no time; small files do not take seconds."""

import struct
import time
import zlib

import numpy as np
import pytest
from pictures import LIMITS, difference, scene, written
from PIL import Image, ImageCms, PngImagePlugin

from snapfind.core.errors import BadPicture
from snapfind.media.image.decode import load, probe

LONG = 3_000_000
HEADER = 33  # bytes of a PNG before the chunks behind IHDR


def chunk(kind, body=b""):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*chunks):
    content = written(scene(), "PNG")
    return content[:HEADER] + b"".join(chunks) + content[HEADER:]


def texts(**options):
    notes = PngImagePlugin.PngInfo()
    notes.add_itxt("XML:com.adobe.xmp", "<x>" + "a" * LONG + "</x>", **options)
    return written(scene(), "PNG", pnginfo=notes)


def segments(kind, body, count):
    jpeg = written(scene(), "JPEG", quality=95)
    return jpeg[:2] + (b"\xff" + kind + struct.pack(">H", len(body) + 2) + body) * count + jpeg[2:]


SOUND = {
    "PNG packed XMP": lambda: texts(zip=True),
    "PNG plain XMP": lambda: texts(zip=False),
    "PNG zTXt": lambda: png(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * LONG))),
    "PNG many zTXt": lambda: png(*[chunk(b"zTXt", b"k%d\0\0" % n + zlib.compress(b"a" * 900_000)) for n in range(100)]),
    "PNG tEXt": lambda: png(chunk(b"tEXt", b"Comment\0" + b"a" * LONG)),
    "PNG eXIf": lambda: png(chunk(b"eXIf", b"II*\0" + b"a" * LONG)),
    "PNG iCCP": lambda: png(chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(LONG)))),
    "PNG broken iCCP": lambda: png(chunk(b"iCCP", b"icc\0\0no zlib")),
    "JPEG ICC": lambda: segments(b"\xe2", b"ICC_PROFILE\0\1\1" + b"a" * 60_000, 200),
    "JPEG XMP": lambda: segments(b"\xe1", b"http://ns.adobe.com/xap/1.0/\0" + b"a" * 60_000, 200),
    "JPEG comments": lambda: segments(b"\xfe", b"a" * 60_000, 200),
    "WebP XMP": lambda: written(scene(), "WEBP", lossless=True, xmp=b"<x>" + b"a" * LONG),
    "WebP ICC": lambda: written(scene(), "WEBP", lossless=True, icc_profile=bytes(LONG)),
    "WebP EXIF": lambda: written(scene(), "WEBP", lossless=True, exif=b"Exif\0\0II*\0" + b"a" * LONG),
    "TIFF text": lambda: written(scene(), "TIFF", tiffinfo={270: "a" * LONG}),
    "TIFF ICC": lambda: written(scene(), "TIFF", icc_profile=bytes(LONG)),
    "AVIF XMP": lambda: written(scene(), "AVIF", quality=100, xmp=b"<x>" + b"a" * LONG),
    "GIF comment": lambda: written(scene(), "GIF", comment=b"a" * LONG),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", SOUND)
def test_long_texts_and_large_profiles_are_left_out(name, tmp_path):
    content = SOUND[name]()
    begin = time.process_time()
    found = load(content, LIMITS)
    assert time.process_time() - begin < 2
    assert difference(found, scene()) < 6
    (tmp_path / "file").write_bytes(content)
    assert difference(load(tmp_path / "file", LIMITS), found) == 0
    assert probe(content, LIMITS)[1:] == scene().size


def test_what_the_pixels_need_stays():
    turned = Image.Exif()
    turned[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = load(written(scene(), "PNG", exif=turned, icc_profile=profile, transparency=(200, 40, 40)), LIMITS)
    notes = PngImagePlugin.PngInfo()
    notes.add_itxt("Comment", "a" * LONG, zip=True)
    crowded = written(scene(), "PNG", exif=turned, icc_profile=profile, transparency=(200, 40, 40), pnginfo=notes)
    assert plain.size == (64, 96) and difference(load(crowded, LIMITS), plain) == 0


@pytest.mark.parametrize("zipped", [True, False])
def test_an_orientation_in_xmp_still_counts(zipped):
    notes = PngImagePlugin.PngInfo()
    notes.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>', zip=zipped)
    assert load(written(scene(), "PNG", pnginfo=notes), LIMITS).size == (64, 96)


def test_the_first_frame_of_an_animated_png_counts():
    frames = [Image.new("RGB", (40, 40), "blue")] * 3
    content = written(Image.new("RGB", (40, 40), "red"), "PNG", save_all=True, append_images=frames)
    assert load(content, LIMITS).getpixel((5, 5)) == (255, 0, 0)


def scans(count, size=(2000, 2000)):
    jpeg = written(Image.new("RGB", size, (200, 40, 40)), "JPEG", progressive=True)
    last = jpeg[jpeg.rfind(b"\xff\xda") : -2]
    return jpeg[:-2] + last * count + jpeg[-2:]


COSTLY = {
    "JPEG scans": lambda: scans(400),
    "JPEG scans behind a false end": lambda: scans(400).replace(b"\xff\xda", b"\xff\xfe\0\4\xff\xd9\xff\xda"),
    "JPEG scans of a huge picture": lambda: scans(60, (7000, 7000)),
    "JPEG segments": lambda: segments(b"\xfe", b"", 2_000_000),
    "JPEG fill": lambda: b"\xff\xd8" + b"\xff" * 8_000_000 + written(scene(), "JPEG")[2:],
    "JPEG escaped": lambda: b"\xff\xd8\xff\xe0\0\2" + b"\xff\0" * 4_000_000 + written(scene(), "JPEG")[2:],
    "PNG empty chunks": lambda: png(chunk(b"prVt") * 1_000_000),
    "PNG empty texts": lambda: png(chunk(b"tEXt", b"a\0") * 1_000_000),
    "PNG empty data": lambda: png(chunk(b"IDAT") * 1_000_000),
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_small_file_that_takes_seconds_is_refused_at_once(name):
    content = COSTLY[name]()
    begin = time.process_time()
    with pytest.raises(BadPicture, match="save it again") as caught:
        load(content, LIMITS)
    assert caught.value.code == "picture_too_large"
    assert time.process_time() - begin < 1


@pytest.mark.parametrize("count", [0, 10, 20])
def test_progressive_jpegs_are_decoded(count):
    assert load(scans(count, (7000, 7000)), LIMITS, side=384).getpixel((9, 9)) == pytest.approx((200, 40, 40), abs=4)


def test_a_film_behind_a_photo_is_no_scan():
    jpeg = written(scene(), "JPEG", progressive=True)
    assert load(jpeg + b"\xff\xda\0\4" * 1000, LIMITS).size == scene().size


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_thousands_of_frames_cost_no_more_than_the_first(kind):
    rng = np.random.default_rng(0)
    frames = [Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)) for _ in range(2000)]
    content = written(frames[0], kind, save_all=True, append_images=frames[1:])
    begin = time.process_time()
    load(content, LIMITS)
    assert time.process_time() - begin < 1


def test_a_linear_picture_is_as_bright_as_a_browser_shows_it():
    gray = written(Image.new("RGB", (16, 16), (55, 55, 55)), "PNG")
    linear = gray[:HEADER] + chunk(b"gAMA", struct.pack(">I", 100_000)) + gray[HEADER:]
    assert load(linear, LIMITS).getpixel((3, 3)) == pytest.approx((127, 127, 127), abs=2)


@pytest.mark.parametrize("chunks", [b"", chunk(b"gAMA", struct.pack(">I", 45_455)), chunk(b"gAMA", bytes(4))])
def test_the_usual_gamma_and_a_senseless_one_change_nothing(chunks):
    assert difference(load(png(chunks), LIMITS), scene()) == 0


def test_srgb_counts_more_than_gamma_and_coding_more_than_both():
    linear = chunk(b"gAMA", struct.pack(">I", 100_000))
    assert difference(load(png(chunk(b"sRGB", b"\0"), linear), LIMITS), scene()) == 0
    assert difference(load(png(chunk(b"cICP", bytes([1, 13, 0, 1])), linear), LIMITS), scene()) == 0


@pytest.mark.parametrize(("transfer", "white"), [(16, 148), (18, 191)])
def test_diffuse_white_of_hdr_is_white(transfer, white):
    """ITU-R BT.2408: 203 cd/m² is 58 % of PQ and 75 % of HLG."""
    image = written(Image.new("RGB", (16, 16), (white,) * 3), "PNG")
    coded = image[:HEADER] + chunk(b"cICP", bytes([9, transfer, 0, 1])) + image[HEADER:]
    assert load(coded, LIMITS).getpixel((3, 3)) == pytest.approx((255, 255, 255), abs=6)


def test_wide_primaries_keep_the_hue():
    image = written(Image.new("RGB", (16, 16), (180, 90, 90)), "PNG")
    wide = image[:HEADER] + chunk(b"cICP", bytes([12, 13, 0, 1])) + image[HEADER:]
    red, green, blue = load(wide, LIMITS).getpixel((3, 3))
    assert red > 183 and green < 90 and abs(green - blue) < 8
