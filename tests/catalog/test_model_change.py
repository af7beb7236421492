"""While a second model is built, switched to, rolled back from and dropped, every reply is the answer of one model."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from snapfind.core.query import QueryTerm
from tests.pictures import picture, save
from tests.second_model import artifact

ASKED = [picture(number) for number in (0, 3, 5)]
MIXED = [[photo, [QueryTerm(photo=photo), QueryTerm(text="mug")]] for photo in ASKED]
WANTED = [wanted for pair in MIXED for wanted in pair]


@pytest.fixture
def two(shop):
    """A catalog with its first model, and the artifact of another one."""
    for number in range(6):
        save(number, shop.folder / "more" / f"m{number}.png")
    with shop.open() as catalog:
        catalog.add(shop.table)
        catalog.add(shop.folder / "more")
        yield catalog, artifact(catalog, shop.folder / "artifact")


def said(answer):
    return tuple((hit.product.id, round(hit.score, 6)) for hit in answer)


def answers(catalog, model):
    return [said(catalog.search(wanted, model=model, limit=8)) for wanted in WANTED]


def change(catalog, given):
    """The whole life of a model; then of the first one, from the other's side."""
    other = catalog.models.adopt(given)
    catalog.models.switch(other)
    catalog.models.rollback()
    catalog.models.switch(other)
    catalog.models.rollback()
    catalog.models.delete(other)


def test_no_reply_is_of_two_models(two):
    catalog, given = two
    first = catalog.info()["model"]
    expected = {first: answers(catalog, first)}
    other = catalog.models.adopt(given)
    expected[other] = answers(catalog, other)
    assert all(mine != theirs for mine, theirs in zip(expected[first], expected[other]))
    catalog.models.delete(other)
    stop, replies = threading.Event(), []

    def ask(number):
        while not stop.is_set():
            number = (number + 1) % len(WANTED)
            answer = catalog.search(WANTED[number], limit=8)
            replies.append((number, answer.space, said(answer)))

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, number) for number in range(4)]
        try:
            for _ in range(2):
                change(catalog, given)
        finally:
            stop.set()
        for one in asking:
            one.result()
    assert {space for _, space, _ in replies} == {first, other}
    wrong = [(number, space) for number, space, reply in replies if reply != expected[space][number]]
    assert not wrong, f"{len(wrong)} of {len(replies)} replies are no model's answer"
