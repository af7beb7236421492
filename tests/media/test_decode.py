"""Every picture that a shopper may send is shown upright and in RGB; everything else is one clear sentence."""

import os

import pytest
from pictures import FORMATS, LIMITS, difference, png_of, scene, written
from PIL import Image, ImageFile

from snapfind.core.config import Settings
from snapfind.core.errors import BadPicture
from snapfind.media.image.decode import Limits, load, probe


def refused(source, limits=LIMITS):
    with pytest.raises(BadPicture) as caught:
        load(source, limits)
    assert caught.value.message.count("\n") == 0
    return caught.value


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_comes_back_as_rgb_of_the_same_look(kind, tmp_path):
    (tmp_path / "scene.dat").write_bytes(written(scene(), kind))
    found = load(tmp_path / "scene.dat", LIMITS)
    assert (found.mode, found.size, found.info) == ("RGB", (96, 64), {})
    assert difference(found, scene()) < 4
    assert probe(tmp_path / "scene.dat", LIMITS) == (kind, 96, 64)
    assert load(str(tmp_path / "scene.dat"), LIMITS).tobytes() == found.tobytes()


def test_the_suffix_does_not_matter(tmp_path):
    (tmp_path / "photo.png").write_bytes(written(scene(), "JPEG"))
    assert probe(tmp_path / "photo.png", LIMITS)[0] == "JPEG"


def test_an_open_image_is_taken_and_left_as_it_is():
    given = scene().quantize(8)
    assert difference(load(given, LIMITS), scene()) < 4
    assert given.mode == "P"
    assert probe(given, LIMITS) == ("", 96, 64)
    plain = scene()
    assert load(plain, LIMITS) is not plain


def test_a_multi_picture_jpeg_of_a_phone_is_a_jpeg():
    phone = written(scene(), "MPO", save_all=True, append_images=[scene(32, 32)])
    assert probe(phone, LIMITS) == ("JPEG", 96, 64)
    assert load(phone, LIMITS).size == (96, 64)


@pytest.mark.parametrize("size", [(1, 1), (1, 16_000), (16_000, 1)])
def test_thin_pictures_are_pictures(size):
    assert load(written(scene(), "PNG"), LIMITS).size == (96, 64)
    assert load(written(Image.new("RGB", size), "PNG"), LIMITS).size == size
    assert min(load(written(Image.new("RGB", size), "JPEG"), LIMITS, side=100).size) == 1


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame_counts(kind):
    frames = [scene(), Image.new("RGB", (96, 64), "black"), Image.new("RGB", (96, 64), "yellow")]
    moving = written(frames[0], kind, save_all=True, append_images=frames[1:])
    assert difference(load(moving, LIMITS), scene()) < 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("side", [1, 50, 99, 100, 101, 250, 800, 1600, 5000])
def test_a_side_makes_large_pictures_smaller_but_never_smaller_than_asked(kind, side):
    found = load(written(scene(1601, 907), kind), LIMITS, side=side)
    assert min(side, 1601) <= max(found.size) < max(2 * side, 1602)
    assert found.width / found.height == pytest.approx(1601 / 907, rel=0.02) or side == 1
    plain = scene(1601, 907).resize(found.size, Image.Resampling.BOX)
    assert side == 1 or difference(found, plain) < 4


# What is refused, and with which code


def test_zero_bytes(tmp_path):
    (tmp_path / "empty.jpg").touch()
    assert refused(b"").code == refused(tmp_path / "empty.jpg").code == "picture_empty"


@pytest.mark.parametrize("text", [b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", b"\0" * 100])
def test_what_is_no_picture_is_told_the_formats(text):
    error = refused(text)
    assert error.code == "picture_format"
    assert "JPEG" in error.message and "WEBP" in error.message


def test_formats_outside_the_list_are_refused_though_pillow_knows_them():
    for kind in ("ICO", "TGA", "SGI", "PCX"):
        assert refused(written(scene(), kind)).code == "picture_format", kind


def test_ppm_and_pgm_are_taken_but_not_written_as_text():
    for kind, mode in ((b"P6", "RGB"), (b"P5", "L")):
        content = written(scene().convert(mode), "PPM")
        assert content.startswith(kind) and load(content, LIMITS).size == scene().size
    for text in (b"P1\n2 2\n0 1 1 0\n", b"P2\n2 2\n9\n0 1 1 0\n", b"P3\n1 1\n9\n0 1 1\n", b"Pf\n1 1\n-1.0\n\0\0\0\0"):
        assert refused(text).code == "picture_format"


def test_heic_without_the_extra_names_the_extra():
    head = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 40
    error = refused(head)
    assert error.code in ("picture_format", "picture_broken")
    assert error.code == "picture_broken" or ".[heic]" in error.message


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_was_cut_off_is_an_error(kind):
    whole = written(scene(640, 480).effect_spread(30), kind)
    for part in (0.1, 0.5, 0.9):
        assert refused(whole[: int(len(whole) * part)]).code == "picture_broken"
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_missing_files_folders_and_pipes(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "no.jpg", tmp_path, tmp_path / "pipe.jpg", "a\0b.jpg", "x" * 5000, ""):
        assert refused(path).code == "picture_missing"


def test_a_message_names_the_file_as_given_and_never_the_folders_of_a_server(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "'photos/no.jpg'" in refused("photos/no.jpg").message
    message = refused(tmp_path / "secret" / "no.jpg").message
    assert "'no.jpg'" in message and "secret" not in message


# Limits: at the limit it is taken, one above it is not


def test_bytes_at_the_limit_and_one_above(tmp_path):
    file = written(scene(), "PNG")
    (tmp_path / "a.png").write_bytes(file)
    for source in (file, tmp_path / "a.png"):
        assert load(source, Limits(len(file), 10**6, 1000))
        assert refused(source, Limits(len(file) - 1, 10**6, 1000)).code == "picture_too_large"


def test_pixels_and_side_at_the_limit_and_one_above():
    for source in (written(scene(), "PNG"), scene()):
        assert load(source, Limits(10**6, 96 * 64, 96))
        assert "max_pixels" in refused(source, Limits(10**6, 96 * 64 - 1, 96)).message
        assert "max_side" in refused(source, Limits(10**6, 96 * 64, 95)).message


def test_limits_come_from_the_settings():
    assert Limits.of(Settings({"max_side": 64})).max_side == 64
    assert refused(written(Image.new("L", (1, 20_000)), "PNG"), Limits.of(Settings())).code == "picture_too_large"


@pytest.mark.parametrize("size", [(100_000, 100_000), (2**31 - 1, 2**31 - 1), (10_000, 10_000), (16_385, 2)])
def test_a_header_that_claims_too_much_is_refused_before_decoding(size):
    assert refused(png_of(*size)).code == "picture_too_large"


def test_a_real_bomb_is_refused_by_its_size_alone():
    side = 7_100  # 50.4 million black pixels in about 150 kB
    assert refused(png_of(side, side, bytes(side * (3 * side + 1)))).code == "picture_too_large"


def test_a_bomb_above_pillows_own_limit_is_refused_though_ours_is_wide_open():
    assert refused(png_of(14_000, 14_000), Limits(10**9, 10**12, 10**9)).code == "picture_too_large"
    assert refused(png_of(10_000, 10_000), Limits(10**9, 10**12, 10**9)).code == "picture_too_large"


@pytest.mark.slow
def test_grocery_loads_whole(real_data):
    for path in sorted((real_data / "grocery" / "val").rglob("*.jpg")):
        assert load(path, LIMITS, side=224).mode == "RGB"
