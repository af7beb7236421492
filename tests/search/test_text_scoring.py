"""Scores of words tell what a shop sells; codes, descriptions and products without a title have rules of their own."""

import io

import pytest

from snapfind import Product
from snapfind.core.errors import BadQuery
from tests.pictures import picture

PRODUCTS = [
    Product("MUG-01", title="Red enamel mug", category="kitchen", attributes={"ean": "4006381333931"}),
    Product("KETTLE-2", title="Steel kettle", category="kitchen", description="Whistles loudly when water boils."),
    Product("TENT-3", title="Tent for two persons", category="outdoor"),
    Product("BOOT-4", title="Waterproof hiking boots", category="outdoor"),
    Product("LAMP-5", title="Desk lamp", category="office"),
    Product("X-6", title=""),
]


@pytest.fixture
def stocked(shop):
    with shop.open() as opened:
        given = []
        for number, product in enumerate(PRODUCTS):
            written = io.BytesIO()
            picture(number).save(written, "PNG")
            given.append((product, {"a.png": written.getvalue()}))
        opened.put(given)
        yield opened


@pytest.mark.parametrize(
    ("text", "product", "not_sold"),
    [
        ("hiking boots", "BOOT-4", "ripe bananas"),
        ("ett tält för två personer", "TENT-3", "mogna bananer"),
        ("ein Zelt", "TENT-3", "reife Bananen"),
        ("水壶", "KETTLE-2", "香蕉"),
        ("whistles when water boils", "KETTLE-2", "zzzz"),
        ("lamps", "LAMP-5", "bananas"),
    ],
)
def test_what_is_sold_is_first_and_more_probable_than_what_is_not(stocked, text, product, not_sold):
    answer = stocked.search(text)
    assert answer[0].product.id == product
    assert stocked.search(not_sold)[0].score < answer[0].score


def test_scores_never_rise_along_the_answer(stocked):
    for text in ("boots", "kitchen", "steel mug", "zzzz", "ein Zelt"):
        scores = [hit.score for hit in stocked.search(text)]
        assert scores == sorted(scores, reverse=True) and all(0 <= score <= 1 for score in scores)


@pytest.mark.parametrize("code", ["mug-01", "MUG-01", "4006381333931"])
def test_an_identifier_finds_its_product_alone(stocked, code):
    assert [(hit.product.id, hit.score) for hit in stocked.search(code)] == [("MUG-01", 1.0)]


@pytest.mark.parametrize("code", ["QX-99812", "5901234123457", "mug99"])
def test_an_unknown_code_is_no_match(stocked, code):
    assert {hit.verdict for hit in stocked.search(code)} <= {"none"}


def test_a_title_as_query_is_first_and_others_follow(stocked):
    answer = stocked.search("desk lamp")
    assert answer[0].product.id == "LAMP-5" and answer[0].score == 1.0 and len(answer) > 1


def test_a_product_without_a_text_does_not_push_into_answers_of_words(stocked):
    for text in ("hiking boots", "kitchen", "red mug", "tent"):
        ids = [hit.product.id for hit in stocked.search(text)]
        assert "X-6" not in ids[:2], ids


def test_less_moves_the_answer_away_from_a_text(stocked):
    def similarity(**options):
        return {
            hit.product.id: hit.parts.get("text", 0.0) for hit in stocked.search("things for the kitchen", **options)
        }

    before, after = similarity(), similarity(less=["red mug"])
    moved = {product: before[product] - after[product] for product in before if product in after}
    assert max(moved, key=moved.get) == "MUG-01" and moved["MUG-01"] > 0.05
    with pytest.raises(BadQuery, match="needs a positive text"):
        stocked.search(picture(0), less=["striped"])
