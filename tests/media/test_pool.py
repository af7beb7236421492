"""Decoding ahead keeps the order, bounds the memory, and stops when the taker stops."""

import threading

import pytest
from pictures import LIMITS, scene, written

from snapfind.errors import BadPicture
from snapfind.media import pool
from snapfind.media.pool import decode_many


def test_order_is_kept_and_bad_pictures_stand_in_their_place():
    sources = [written(scene(8 + i, 8), "PNG") if i % 3 else b"no picture" for i in range(20)]
    found = list(decode_many(sources, LIMITS, threads=4))
    assert [source for source, _ in found] == sources
    for i, (_, image) in enumerate(found):
        assert image.size == (8 + i, 8) if i % 3 else isinstance(image, BadPicture)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_few_sources(count):
    assert len(list(decode_many([scene()] * count, LIMITS, side=8, threads=2, ahead=2))) == count


def test_no_more_than_ahead_are_taken_from_the_source():
    taken = []

    def sources():
        for i in range(100):
            taken.append(i)
            yield scene(8, 8)

    decoding = decode_many(sources(), LIMITS, threads=2, ahead=4)
    for yielded in range(1, 11):
        next(decoding)
        assert len(taken) <= 4 + yielded
    decoding.close()
    assert len(taken) <= 14


def test_closing_early_drops_what_has_not_begun_and_leaves_no_thread(monkeypatch):
    begun, tickets = [], threading.Semaphore(1)

    def slow(source, limits, side):
        begun.append(source)
        tickets.acquire(timeout=5)
        return scene(8, 8)

    monkeypatch.setattr(pool, "_one", slow)
    decoding = decode_many([scene()] * 50, LIMITS, threads=1, ahead=40)
    next(decoding)
    threading.Timer(0.1, tickets.release).start()  # the one that has begun ends while the pool closes
    decoding.close()
    assert len(begun) == 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("snapfind-decode")]


def test_an_error_of_the_source_reaches_the_taker():
    def sources():
        yield scene()
        raise RuntimeError("the table broke")

    with pytest.raises(RuntimeError, match="table"):
        list(decode_many(sources(), LIMITS, threads=1, ahead=1))
