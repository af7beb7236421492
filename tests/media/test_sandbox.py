"""Decoding in another process: the same pictures, the same refusals, and a death that costs one answer."""

import math
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tests.media.pictures import FORMATS, LIMITS, png_of, scene, written
from tests.waiting import until

from snapfind.core.errors import BadPicture
from snapfind.media.image.decode import Limits, load
from snapfind.media.image.sandbox import DecoderPool


@pytest.fixture(scope="module")
def decode():
    apart = DecoderPool(processes=1, megabytes=1024, seconds=20)
    yield apart
    apart.close()


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("side", [None, 32])
def test_the_picture_is_the_same_as_in_this_process(decode, kind, side):
    content = written(scene(), kind)
    assert np.array_equal(np.asarray(decode(content, LIMITS, side=side)), np.asarray(load(content, LIMITS, side=side)))


@pytest.mark.parametrize("content", [b"", b"hello", written(scene(), "PNG")[:60], png_of(40_000, 40_000)])
def test_a_bad_picture_is_refused_with_the_same_code(decode, content):
    with pytest.raises(BadPicture) as here:
        load(content, LIMITS)
    with pytest.raises(BadPicture) as there:
        decode(content, LIMITS)
    assert (here.value.code, here.value.message) == (there.value.code, there.value.message)


def test_memory_is_bounded_and_the_next_picture_is_decoded(decode):
    large = png_of(40_000, 40_000, rows=b"\0" * (40_000 * 3 + 1))
    with pytest.raises(BadPicture) as refused:
        decode(large, Limits(2**25, 2_000_000_000, 50_000))
    assert refused.value.code in {"picture_too_large", "picture_broken"}
    assert decode(written(scene(), "JPEG"), LIMITS).size == scene().size


def test_the_death_of_the_process_costs_one_answer(decode):
    decode(written(scene(), "PNG"), LIMITS)
    worker = decode._idle.queue[-1]
    os.kill(worker._process.pid, signal.SIGSTOP)  # so that it is asked first and dies afterwards
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(decode, written(scene(), "PNG"), LIMITS)
        until(lambda: worker._until < math.inf, "the picture is with that process")
        os.kill(worker._process.pid, signal.SIGKILL)
        with pytest.raises(BadPicture) as refused:
            waiting.result()
    assert refused.value.code == "picture_broken"
    assert decode(written(scene(), "PNG"), LIMITS).size == scene().size


def test_a_picture_that_takes_too_long_is_refused():
    slow = DecoderPool(processes=1, megabytes=1024, seconds=0.05)
    try:
        content = written(scene(4000, 4000), "PNG", compress_level=9)
        with pytest.raises(BadPicture, match="longer than"):
            for _ in range(20):
                slow(content, LIMITS)
    finally:
        slow.close()


def test_many_threads_share_few_processes():
    apart = DecoderPool(processes=2, megabytes=1024, seconds=20)
    try:
        content = written(scene(), "JPEG")
        with ThreadPoolExecutor(8) as pool:
            sizes = list(pool.map(lambda _: apart(content, LIMITS).size, range(40)))
        assert set(sizes) == {scene().size}
    finally:
        apart.close()
