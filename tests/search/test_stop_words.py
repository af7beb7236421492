"""Nothing but articles and prepositions in common is no match, in any language; titles made of them are found."""

import io

import pytest

from snapfind import Product
from snapfind.search.stop_words import content_words
from tests.pictures import picture

TITLES = ["Cream for the hands", "Cover for a chair", "Lamp with a shade", "Soap of the sea", "Table", "Red mug"]
TITLES += ["Kettle to boil water in", "Nike Air Max 90 shoe", "The Who", "Crème pour les mains", "Creme für die Hand"]
TITLES += ["Crema para las manos", "手的护肤霜", "Крем для рук"]


@pytest.fixture
def stocked(shop):
    with shop.open() as opened:
        given = []
        for number, title in enumerate(TITLES):
            written = io.BytesIO()
            picture(number).save(written, "PNG")
            given.append((Product(f"P{number}", title=title), {"a.png": written.getvalue()}))
        opened.put(given)
        yield opened


@pytest.mark.parametrize(
    "text",
    [
        "food for the dog",
        "a bicycle with lights",
        "Where is the toilet?",
        "the",
        "with a",
        "nourriture pour les chiens",
        "Futter für die Katze",
        "comida para las aves",
        "狗的粮食",
        "корм для собак",
    ],
)
def test_stop_words_alone_are_no_match(stocked, text):
    answer = stocked.search(text)
    assert answer.verdict != "match", [(hit.product.title, hit.score) for hit in answer][:3]
    assert all("bm25" not in hit.parts for hit in answer)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a lamp with a shade", "P2"),
        ("the who", "P8"),
        ("cover for the chair", "P1"),
        ("crème pour les mains", "P9"),
        ("nike 90", "P7"),
    ],
)
def test_words_that_say_something_are_a_match(stocked, text, wanted):
    answer = stocked.search(text)
    assert (answer[0].product.id, answer.verdict) == (wanted, "match")


@pytest.mark.parametrize("text", ["hat", "van", "Man", "can", "down jacket", "mug-1", "a-1", "war", "M"])
def test_names_of_products_are_no_stop_words(text):
    assert content_words(text) == text
