"""Work ahead of the taker: in order, bounded, stopped early, errors where they are due."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from snapfind.media.prefetch import map_ahead


@pytest.fixture
def pool():
    with ThreadPoolExecutor(3) as made:
        yield made


def test_order_is_kept_whatever_takes_longest(pool):
    def work(number):
        time.sleep(0.002 * (number % 3))
        return number * 2

    assert list(map_ahead(pool, work, range(40), 6)) == [(number, number * 2) for number in range(40)]


def test_no_more_than_the_depth_is_begun(pool):
    begun = []
    coming = map_ahead(pool, begun.append, range(100), 5)
    next(coming)
    time.sleep(0.05)
    assert len(begun) <= 6
    coming.close()
    time.sleep(0.05)
    assert len(begun) <= 6


def test_items_are_taken_only_when_there_is_room(pool):
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    coming = map_ahead(pool, lambda number: number, items(), 4)
    next(coming)
    assert len(taken) <= 5


def test_what_work_raises_is_raised_where_it_is_due(pool):
    gate = threading.Event()

    def work(number):
        gate.set()
        if number == 3:
            raise ValueError("three")
        return number

    coming = map_ahead(pool, work, range(10), 4)
    assert [next(coming)[0] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(coming)
