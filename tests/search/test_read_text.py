"""Text read in a photo tells products apart that look the same."""

import pytest

import snapfind
from snapfind.core.query import Query, QueryTerm
from snapfind.encoders.ocr.reader import can_read
from snapfind.index.base import IndexMatch, IndexQuery
from snapfind.index.filters import where
from snapfind.search.read_text import CERTAIN, TextMatches, fold, is_worth_reading, match_text, similarities
from snapfind.search.scoring import rank_nearest
from tests.pictures import carton

installed = pytest.mark.skipif(not can_read(), reason="rapidocr is not installed: pip install '.[ocr]'")
DOCUMENTS = {"tea": "Blåbär te Arla", "milk": "Arla standard milk", "jam": "Lingon jam"}


def test_the_product_with_the_words_is_most_similar():
    found = similarities("ARLA\nSTANDARD MILK", DOCUMENTS)
    assert found["milk"] == pytest.approx(1.0) and found["milk"] > found["tea"] > found["jam"] == 0.0


def test_characters_read_wrong_and_lost_accents_cost_little():
    found = similarities("stondard mi1k", DOCUMENTS)
    assert max(found, key=found.get) == "milk" and found["milk"] > 0.2
    assert similarities("BLABAR", DOCUMENTS)["tea"] == similarities("blåbär", DOCUMENTS)["tea"] > 0.4


def test_a_word_of_all_products_weighs_less_than_a_rare_one():
    documents = {name: f"Acme {name}" for name in ("oat", "soy", "rice", "almond")}
    found = similarities("Acme almond", documents)
    assert found["almond"] > 2 * found["oat"] > 0


@pytest.mark.parametrize("text", ["", " \n", "…", "茶"])
def test_a_text_without_common_grams_is_similar_to_nothing(text):
    assert similarities(text, DOCUMENTS) == {"tea": 0.0, "milk": 0.0, "jam": 0.0}
    assert similarities(text, {}) == {}


def test_chinese_titles_are_compared():
    assert similarities("绿茶", {"a": "绿茶", "b": "红茶"})["a"] > similarities("绿茶", {"a": "绿茶", "b": "红茶"})["b"]


def test_folding_keeps_letters_and_digits():
    assert fold("Crème-Fraîche 2,5 %").split() == ["creme", "fraiche", "2", "5"]


def match(product, score, **payload):
    return IndexMatch(product, score, {"_product": product, **payload})


def test_evidence_is_added_before_margins_are_computed():
    nearest = [match("a", 0.6), match("b", 0.5), match("c", 0.1)]
    ranking = rank_nearest(nearest, {}, {"b": 0.3})
    assert [point.payload["_product"] for point in ranking.points] == ["b", "a", "c"]
    assert ranking.features[:, 0].tolist() == pytest.approx([0.8, 0.6, 0.1])
    assert ranking.features[:, 1].tolist() == pytest.approx([0.2, -0.2, -0.7])
    assert rank_nearest(nearest, {}, {}).points == nearest


def test_evidence_takes_part_in_the_category_vote():
    nearest = [match("a", 0.6, category="tea"), match("b", 0.5, category="milk")]
    assert rank_nearest(nearest, {}).categories[0].category == "tea"
    assert rank_nearest(nearest, {}, {"b": 0.3}).categories[0].category == "milk"


def test_similarities_are_weighted():
    assert TextMatches([], {"a": 1.0, "b": 0.0}).evidence == {"a": 0.5, "b": 0.0}


def test_only_uncertain_answers_near_products_with_text_are_read():
    printed, plain = match("a", 0.6, _read="TEA"), match("b", 0.5, _read="")
    assert is_worth_reading(CERTAIN - 0.1, [plain, printed]) and not is_worth_reading(CERTAIN, [printed])
    assert not is_worth_reading(0.0, [plain]) and not is_worth_reading(0.0, [])
    assert is_worth_reading(0.0, [plain, printed, printed]) and not is_worth_reading(0.0, [plain, plain, printed])


@pytest.fixture
def cartons(tmp_path):
    """Two cartons that differ in the printed name and its place. Their titles do not help."""
    folder = tmp_path / "cartons"
    folder.mkdir()
    carton("LINGONBERRY", top=0.2).save(folder / "a.png")
    carton("CHAMOMILE", top=0.7).save(folder / "b.png")
    (tmp_path / "shop.csv").write_text("id,title,picture\na,One,cartons/a.png\nb,Two,cartons/b.png\n")
    return tmp_path


@installed
def test_the_printed_name_finds_the_product_that_looks_further_away(cartons):
    photo = carton("CHAMOMILE", top=0.2)  # printed where the other product has its name
    with snapfind.open(cartons / "shop.snap", ocr="on") as shop:
        shop.add(cartons / "shop.csv")
        answer = shop.search(photo)
        assert [hit.product.id for hit in answer] == ["b", "a"]
        assert (
            answer[0].parts["ocr"] > 0.5 > answer[1].parts["ocr"]
            and answer[0].parts["image"] < answer[1].parts["image"]
        )
        assert answer.timings["read"] > 0 and answer[0].score > answer[1].score
        assert [hit.product.id for hit in shop.search(photo, limit=1)] == ["b"]
        assert [hit.product.id for hit in shop.search(photo, limit=1, offset=1)] == ["a"]
        assert [hit.product.id for hit in shop.search(photo, filter="title = 'One'")] == ["a"]
    with snapfind.open(cartons / "shop.snap", ocr="add") as shop:
        answer = shop.search(photo)
        assert [hit.product.id for hit in answer] == ["a", "b"] and "read" not in answer.timings
        assert "ocr" not in answer[0].parts


@installed
def test_a_photo_with_words_is_not_read(cartons):
    with snapfind.open(cartons / "shop.snap", ocr="on") as shop:
        shop.add(cartons / "shop.csv")
        query = Query((QueryTerm(photo=carton("CHAMOMILE")), QueryTerm(text="two")))
        assert "read" not in shop.search(query).timings


@installed
def test_a_shop_without_text_is_not_read(tmp_path):
    (tmp_path / "plain").mkdir()
    for name, color in (("a", "#a33"), ("b", "#36a")):
        carton("", ground=color).save(tmp_path / "plain" / f"{name}.png")
    with snapfind.open(tmp_path / "shop.snap", ocr="on") as shop:
        shop.add(tmp_path / "plain")
        assert "read" not in shop.search(carton("CHAMOMILE")).timings


@installed
def test_a_product_that_only_its_text_finds_joins_with_its_own_cosine(cartons):
    with snapfind.open(cartons / "shop.snap", ocr="on") as shop:
        shop.add(cartons / "shop.csv")
        context = shop.context
        vector = context.model.encode_query_images([carton("CHAMOMILE", top=0.2)])[0]
        both = context.index.search(IndexQuery(context.model.photo.space.id, vector))
        matches = match_text("CHAMOMILE", vector, both[:1], context)
        assert matches.points == both and matches.similarities["b"] > 0.5 > matches.similarities["a"]
        assert match_text("CHAMOMILE", vector, both[:1], context, where("title", ["One"])).points == both[:1]
