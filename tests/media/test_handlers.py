"""Media types by suffix, their items in this process and in another one."""

import contextlib
import sys

import numpy as np
import pytest
from tests.media.flip import FlipHandler, flip
from tests.media.pictures import LIMITS, scene, written
from tests.pictures import picture

from snapfind.core.errors import BadPicture
from snapfind.media import handlers
from snapfind.media.base import MediaItem
from snapfind.media.handlers import handler_for, is_media, media_suffixes, read_media, register_media_handler
from snapfind.media.image.decode import Limits, load
from snapfind.media.image.sandbox import DecoderPool

BOOK = flip([(0, 1.5, picture(1)), (1.5, 4, picture(2))])


@pytest.fixture(autouse=True)
def flip_files(monkeypatch):
    monkeypatch.setattr(handlers, "_HANDLERS", list(handlers._HANDLERS))
    register_media_handler(FlipHandler())


@pytest.fixture(scope="module")
def pool():
    with contextlib.closing(DecoderPool(processes=1, megabytes=1024, seconds=20)) as opened:
        yield opened


def test_the_suffix_of_a_name_decides():
    assert {".flip", ".jpg"} <= media_suffixes()
    for name in ("a.flip", "A.FLIP", "folder/a.flip", "https://shop.example/a.flip?size=2"):
        assert isinstance(handler_for(name), FlipHandler), name
    for name in ("a.jpg", "a", "a.unknown", "picture-1", "https://shop.example/a.jpg?of=a.flip"):
        assert handler_for(name) is handlers.IMAGES, name
    assert is_media("a.flip", b"") and is_media("a", written(scene(), "PNG")[:32]) and not is_media("a.txt", b"hello")


def test_registering_the_same_class_again_replaces_it():
    register_media_handler(FlipHandler())
    assert sum(isinstance(handler, FlipHandler) for handler in handlers._HANDLERS) == 1


def items(read, name, content, limits=LIMITS, side=None):
    return [
        (one.kind, one.start, one.end, one.ordinal, np.asarray(one.image).tobytes())
        for one in read(name, content, limits, side=side)
    ]


@pytest.mark.parametrize(("name", "content"), [("a.flip", BOOK), ("a.jpg", written(scene(), "JPEG"))])
@pytest.mark.parametrize("side", [None, 32])
def test_items_are_the_same_in_this_process_and_in_another_one(pool, name, content, side):
    here = items(read_media, name, content, side=side)
    assert here == items(pool.read, name, content, side=side)
    assert [one[3] for one in here] == list(range(len(here)))


def test_an_image_file_is_one_item():
    content = written(scene(), "JPEG")
    [item] = read_media("a.jpg", content, LIMITS, side=32)
    assert (item.kind, item.start, item.end, item.ordinal) == ("image", None, None, 0)
    assert item.image == load(content, LIMITS, side=32)


@pytest.mark.parametrize("content", [b"FLIP", b"FLOP\1\0\0\0", BOOK[:-40], b"FLIP\0\0\0\0"])
def test_a_bad_file_is_refused_alike_in_both(pool, content):
    with pytest.raises(BadPicture) as here:
        items(read_media, "a.flip", content)
    with pytest.raises(BadPicture) as there:
        items(pool.read, "a.flip", content)
    assert (here.value.code, here.value.message) == (there.value.code, there.value.message)


def test_the_number_of_items_of_a_file_is_limited(pool):
    two = Limits(LIMITS.max_bytes, LIMITS.max_pixels, LIMITS.max_side, max_items=2)
    assert len(items(read_media, "a.flip", BOOK, two)) == 2
    three = flip([(0, 1, picture(1))] * 3)
    for read in (read_media, pool.read):
        with pytest.raises(BadPicture, match="more than 2 segments"):
            items(read, "a.flip", three, two)


def test_a_file_that_is_not_read_to_its_end_does_not_disturb_the_next_one(pool):
    long = flip([(0, 1, picture(1, 512))] * 20)
    reading = pool.read("a.flip", long, LIMITS)
    next(reading)
    reading.close()
    assert items(pool.read, "a.flip", BOOK) == items(read_media, "a.flip", BOOK)


def test_a_handler_that_the_other_process_cannot_import_is_an_error_that_names_it(pool):
    class Hidden(FlipHandler):
        suffixes = frozenset({".hidden"})

    register_media_handler(Hidden())
    with pytest.raises(BadPicture, match="Hidden cannot be created in the decoding process"):
        items(pool.read, "a.hidden", BOOK)
    assert len(items(pool.read, "a.flip", BOOK)) == 2


class Forging(FlipHandler):
    """Stands for a decoder that a file has taken over: it sends what no handler may."""

    suffixes = frozenset({".forging"})

    def read(self, source, limits, *, side=None):
        from snapfind.media.image.sandbox_worker import write_frames

        headers = {
            b"size": b'{"size": [9999, 9999], "kind": "image", "start": null, "end": null}',
            b"time": b'{"size": [1, 1], "kind": "image", "start": "never", "end": null}',
            b"kind": b'{"size": [1, 1]}',
            b"many": b'{"size": [1, 1], "kind": "image", "start": null, "end": null}',
        }
        content = source.read()
        for _ in range(limits.max_items + 2 if content == b"many" else 1):
            write_frames(sys.stdout.buffer, headers[content], b"abc")
        yield MediaItem(picture(1))


@pytest.mark.parametrize("content", [b"size", b"time", b"kind", b"many"])
def test_what_a_process_that_was_taken_over_sends_is_refused(pool, content):
    register_media_handler(Forging())
    with pytest.raises(BadPicture):
        items(pool.read, "a.forging", content)
    assert len(items(pool.read, "a.flip", BOOK)) == 2
