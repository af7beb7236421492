"""The library: search by photo, text, product and mixes; get, delete, facets, export; threads."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from snapfind import Box, Query, QueryTerm
from snapfind.core.errors import BadFilter, BadInput, BadPicture, BadQuery, NotFound
from tests.pictures import picture


def ids(answer):
    return [hit.product.id for hit in answer]


def test_a_photo_finds_its_product_and_says_so(shop, catalog):
    for wanted in (shop.folder / "c.png", str(shop.folder / "c.png"), (shop.folder / "c.png").read_bytes(), picture(3)):
        hit = catalog.search(wanted)[0]
        assert (hit.product.id, hit.picture.name) == ("mug-1", "c.png")
        assert 0 <= hit.score <= 1
        assert hit.parts["image"] > 0.9


def test_hits_are_products_each_with_its_best_picture(catalog):
    answer = catalog.search(picture(2))
    assert sorted(ids(answer)) == ["mug-1", "tea-1", "tea-2"]
    assert (answer[0].product.id, answer[0].picture.name) == ("tea-2", "b-back.png")
    assert [hit.score for hit in answer] == sorted((hit.score for hit in answer), reverse=True)
    assert set(answer.timings) == {"decode", "encode", "recall", "rank"}


def test_words_find_titles_brands_ids_and_other_languages(catalog):
    assert ids(catalog.search("green tea"))[0] == "tea-2"
    assert ids(catalog.search("Kiln"))[0] == "mug-1"
    assert ids(catalog.search("mug-1"))[0] == "mug-1"
    assert ids(catalog.search("杯子"))[0] == "mug-1"
    assert ids(catalog.search("en blå mugg"))[0] == "mug-1"


NUMBERS = ["8056020", "3b1f8a0c-77de-4c1b-9abc-0123456789ab", "deadbeef01", "4006381333931"]
NAMES = ["red-runner", "cafe-2", "茶-7"]


def test_an_id_that_says_nothing_has_no_dense_text_and_is_found_by_itself(shop):
    shop.rows[1:] = [[name, "", "1", "", "", "", "", "a.png"] for name in [*NUMBERS, *NAMES]]
    shop.rows += [["sku-1", "Blue mug", "1", "", "", "", "", "c.png"]]
    with shop.open() as catalog:
        catalog.add(shop.write())
        dense = {hit.product.id for hit in catalog.search("something to drink", limit=20) if "text" in hit.parts}
        assert dense == {*NAMES, "sku-1"}
        assert [ids(catalog.search(name))[0] for name in [*NUMBERS, *NAMES]] == [*NUMBERS, *NAMES]


def test_dense_text_comes_and_goes_with_the_title(shop):
    shop.rows[1][0] = "8056020"
    with shop.open() as catalog:
        catalog.add(shop.write())
        for name in ("title", "brand", "category", "tags"):
            catalog.update("8056020", {name: None})
        hits = {hit.product.id: hit.parts for hit in catalog.search("red tea")}
        assert "text" not in hits["8056020"] and "text" in hits["tea-2"]
        assert ids(catalog.search("8056020"))[0] == "8056020" and catalog.search(picture(0))[0].parts["image"] > 0.9
        catalog.update("8056020", {"title": "Red tea"})
        assert "text" in {hit.product.id: hit.parts for hit in catalog.search("red tea")}["8056020"]


def test_photo_and_words_together_with_negatives(catalog):
    assert ids(catalog.search([QueryTerm(photo=picture(0)), QueryTerm(text="red tea")]))[0] == "tea-1"
    less = catalog.search([QueryTerm(photo=picture(0)), QueryTerm(photo=picture(1), weight=-0.5)])
    assert ids(less)[0] == "tea-1"
    with pytest.raises(BadQuery, match="cancel"):
        catalog.search([QueryTerm(photo=picture(0)), QueryTerm(photo=picture(0), weight=-1)])


def test_more_like_a_product_leaves_the_product_out(catalog):
    assert sorted(ids(catalog.search(QueryTerm(product="tea-1")))) == ["mug-1", "tea-2"]
    with pytest.raises(NotFound, match="nope"):
        catalog.search(QueryTerm(product="nope"))


def test_what_was_marked_right_gains_most_and_what_was_marked_wrong_loses_most(catalog):
    before = ids(catalog.search(picture(0)))
    assert before[0] == "tea-1"
    gained = {hit.product.id: hit.parts["image"] for hit in catalog.search(picture(0), right=[before[2]])}
    plain = {hit.product.id: hit.parts["image"] for hit in catalog.search(picture(0))}
    assert max(gained, key=lambda one: gained[one] - plain[one]) == before[2]
    lost = {hit.product.id: hit.parts["image"] for hit in catalog.search(picture(0), wrong=[picture(0)])}
    assert min(lost, key=lambda one: lost[one] - plain[one]) == "tea-1"
    assert "tea-1" not in ids(catalog.search(picture(0), wrong=["tea-1"])), "not this means not shown again"
    words = {hit.product.id: hit.parts for hit in catalog.search("tea", right=["mug-1"])}
    assert words["mug-1"]["image"] == pytest.approx(1, abs=1e-4)
    scores = [hit.score for hit in catalog.search(picture(0), right=[picture(3)], wrong=["tea-2"])]
    assert scores == sorted(scores, reverse=True)
    with pytest.raises(NotFound, match="nope"):
        catalog.search(picture(0), wrong=["nope"])


def test_a_category_the_caller_chose_comes_first_and_shuts_nothing_out(catalog):
    answer = catalog.search(picture(0), category="mugs")
    assert ids(answer)[0] == "mug-1" and len(answer) == 3
    assert {guess.category for guess in answer.categories} == {"tea", "mugs"}
    assert sum(guess.probability for guess in answer.categories) == pytest.approx(1)
    assert ids(catalog.search("tea", category="mugs"))[0] == "mug-1"


def test_two_photos_are_compared_either_way_round(catalog):
    same, other = catalog.compare(picture(0), picture(0)), catalog.compare(picture(0), picture(3))
    assert 0 <= other < same <= 1
    assert catalog.compare(picture(3), picture(0)) == pytest.approx(other)


def test_filters_hold_in_every_kind_of_search(catalog):
    for wanted in (picture(0), "tea", QueryTerm(product="mug-1"), [QueryTerm(photo=picture(0)), QueryTerm(text="tea")]):
        assert ids(catalog.search(wanted, filter="stock > 2 and category = 'tea'")) == ["tea-1"]
    both = catalog.search(Query((QueryTerm(text="tea"),), "stock > 2"), filter="price > 5")
    assert ids(both) == ["mug-1"]
    with pytest.raises(BadFilter):
        catalog.search("tea", filter="color = 'red'")


def test_pages_are_slices_of_one_answer(catalog):
    for wanted in (picture(0), "tea"):
        whole = ids(catalog.search(wanted, limit=3))
        assert [ids(catalog.search(wanted, limit=1, offset=at))[0] for at in range(3)] == whole
        assert ids(catalog.search(wanted, limit=5, offset=3)) == []


def test_a_box_limits_the_photo(catalog):
    both = picture(0).resize((96, 96))
    wide = both.crop((0, 0, 192, 96))
    wide.paste(picture(3), (96, 0))
    assert ids(catalog.search(wide, box=Box(0, 0, 0.5, 1)))[0] == "tea-1"
    assert ids(catalog.search(wide, box=Box(0.5, 0, 1, 1)))[0] == "mug-1"
    with pytest.raises(BadQuery, match="one photo"):
        catalog.search("tea", box=Box(0, 0, 1, 1))


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_limit_out_of_range_says_the_range(catalog, limit):
    with pytest.raises(BadQuery, match="1 to 1000"):
        catalog.search("tea", limit=limit)


def test_what_cannot_be_searched_says_why(catalog):
    with pytest.raises(BadPicture, match=r"nothing\.jpg"):
        catalog.search("nothing.jpg")
    with pytest.raises(BadQuery, match="empty"):
        catalog.search("  ")
    with pytest.raises(BadQuery, match="2048"):
        catalog.search("x" * 2049)
    with pytest.raises(BadPicture):
        catalog.search(b"nonsense")


def test_an_empty_catalog_answers_with_nothing(shop):
    with shop.open() as catalog:
        assert ids(catalog.search(picture(0))) == []
        assert catalog.search("tea").verdict == "none"
        assert len(catalog) == 0


def test_delete_by_id_and_by_filter_takes_points_and_copies(shop, catalog):
    assert catalog.delete(["tea-2", "unknown"]) == 2
    assert catalog.delete(filter="price > 10") == 1
    assert [product.id for product in catalog.products()] == ["tea-1"]
    assert sum(1 for _ in (shop.path / "pictures").rglob("*.jpg")) == 1
    with pytest.raises(NotFound):
        catalog.get("tea-2")
    with pytest.raises(BadInput, match="either product ids or a filter"):
        catalog.delete()


def test_facets_count_products_not_pictures(catalog):
    assert catalog.facets("brand") == [("Acme", 2), ("Kiln", 1)]
    assert catalog.facets("category", filter="stock > 0") == [("mugs", 1), ("tea", 1)]
    with pytest.raises(BadInput, match="brand"):
        catalog.facets("color")


def test_a_catalog_opened_again_answers_the_same(shop):
    with shop.open() as catalog:
        catalog.add(shop.table)
        before = [(hit.product, round(hit.score, 5)) for hit in catalog.search(picture(1))]
    with shop.open() as catalog:
        assert [(hit.product, round(hit.score, 5)) for hit in catalog.search(picture(1))] == before


def test_threads_search_while_another_adds(shop, catalog):
    stop = threading.Event()

    def adding():
        for round_ in range(6):
            shop.rows[1][1] = f"Red tea {round_}"
            catalog.add(shop.write())
        stop.set()

    def searching():
        asked = 0
        while not stop.is_set() or asked == 0:
            assert ids(catalog.search(picture(3), limit=1)) == ["mug-1"]
            asked += 1
        return asked

    with ThreadPoolExecutor(4) as pool:
        searches = [pool.submit(searching) for _ in range(3)]
        pool.submit(adding).result()
        assert all(search.result() > 0 for search in searches)
    assert catalog.get("tea-1").title == "Red tea 5"


def test_info_and_closing_twice(shop):
    with shop.open() as catalog:
        catalog.add(shop.table)
        info = catalog.info()
        assert (info["products"], info["pictures"]) == (3, 4)
        assert info["schema"]["stock"] == "number"
        catalog.close()
    catalog.close()


def test_a_filter_longer_than_the_setting_is_refused_wherever_one_is_given(shop):
    long = "price < 1 or price < 2 or price < 3"
    with shop.open(max_filter=20) as catalog:
        catalog.add(shop.table)
        for ask in (
            lambda: catalog.search("tea", filter=long),
            lambda: catalog.delete(filter=long),
            lambda: list(catalog.products(filter=long)),
            lambda: catalog.facets("brand", filter=long),
        ):
            with pytest.raises(BadFilter, match="the most is 20"):
                ask()
        assert len(catalog) == 3
