"""The order of a search's steps, on a catalog of a few products."""

import pytest

from snapfind import Query, QueryTerm
from snapfind.core.errors import BadQuery, NotFound
from snapfind.search.candidates import DEPTH
from tests.catalog.conftest import ROWS
from tests.pictures import picture


def ids(answer):
    return [hit.product.id for hit in answer]


def test_pages_are_slices_of_one_ranking(catalog):
    for query in (picture(0), "tea", QueryTerm(product="mug-1")):
        whole = ids(catalog.search(query))
        assert [ids(catalog.search(query, limit=1, offset=at))[0] for at in range(len(whole))] == whole


def test_a_photo_has_one_signal_and_a_text_three(catalog):
    assert {name for hit in catalog.search(picture(0)) for name in hit.parts} == {"image"}
    assert {name for hit in catalog.search("tea") for name in hit.parts} == {"text", "bm25"}, (
        "every product has a title"
    )
    both = catalog.search(Query((QueryTerm(photo=picture(0)), QueryTerm(text="tea"))))
    assert {name for hit in both for name in hit.parts} == {"image", "text", "bm25"}


def test_a_product_without_a_title_is_found_by_its_picture(shop):
    shop.rows[1][1] = ""
    shop.write()
    with shop.open() as catalog:
        catalog.add(shop.table)
        parts = {hit.product.id: set(hit.parts) for hit in catalog.search("something")}
        assert "text_to_image" in parts["tea-1"] and "text_to_image" not in parts["mug-1"]


def test_an_exact_title_or_id_comes_first_whatever_the_photo_shows(catalog):
    for text in ("Blue mug", "blue  MUG", "mug-1", "MUG 1"):
        query = Query((QueryTerm(photo=picture(0), weight=5), QueryTerm(text=text)))
        assert ids(catalog.search(query))[0] == "mug-1", text
    brand = ids(catalog.search(Query((QueryTerm(photo=picture(0), weight=5), QueryTerm(text="Kiln")))))
    assert brand[0] == "mug-1"


def test_products_of_the_query_and_rejected_ones_are_left_out(catalog):
    assert "tea-1" not in ids(catalog.search(QueryTerm(product="tea-1")))
    query = Query((QueryTerm(photo=picture(0)),), marked=(QueryTerm(product="mug-1", weight=-1),))
    assert "mug-1" not in ids(catalog.search(query)) and "tea-1" in ids(catalog.search(query))
    kept = Query((QueryTerm(photo=picture(0)),), marked=(QueryTerm(product="mug-1", weight=1),))
    assert "mug-1" in ids(catalog.search(kept))


def test_the_preferred_category_is_first_and_the_others_follow_in_their_order(catalog):
    plain, preferred = ids(catalog.search(picture(0))), ids(catalog.search(picture(0), category="mugs"))
    assert preferred == ["mug-1", *(product for product in plain if product != "mug-1")]
    assert ids(catalog.search(picture(0), category="nothing")) == plain


def test_a_filter_is_applied_before_the_ranking(catalog):
    for query in (picture(0), "tea", QueryTerm(product="tea-1")):
        assert ids(catalog.search(query, filter="category = 'mugs'", limit=1)) == ["mug-1"]


def test_limits_are_checked(catalog):
    for limit, offset in ((0, 0), (-1, 0), (1001, 0), (1, -1)):
        with pytest.raises(BadQuery):
            catalog.search(picture(0), limit=limit, offset=offset)
    assert len(catalog.search(picture(0), limit=1000)) == len(ROWS) - 1
    with pytest.raises(BadQuery, match=str(DEPTH)):
        catalog.search("tea", limit=DEPTH, offset=1)
    assert catalog.search("tea", limit=DEPTH)


def test_terms_that_cancel_each_other_and_products_that_do_not_exist(catalog):
    with pytest.raises(BadQuery, match="cancel each other out"):
        catalog.search(Query((QueryTerm(photo=picture(0)), QueryTerm(photo=picture(0), weight=-1))))
    with pytest.raises(NotFound, match="'nobody'"):
        catalog.search(QueryTerm(product="nobody"))


def test_positive_feedback_is_the_photo_of_a_query_of_text(catalog):
    answer = catalog.search("tea", right=["mug-1"])
    assert {hit.product.id: hit.parts for hit in answer}["mug-1"]["image"] == pytest.approx(1, abs=1e-4)


def test_a_negative_term_moves_the_query_away(catalog):
    def cosine(query):
        return {hit.product.id: hit.parts["image"] for hit in catalog.search(query)}

    plain = cosine(Query((QueryTerm(photo=picture(0)),)))
    less = cosine(Query((QueryTerm(photo=picture(0)), QueryTerm(product="mug-1", weight=-0.5))))
    assert "mug-1" not in less
    assert less["tea-1"] > 0.5 and less["tea-1"] != plain["tea-1"]


def test_every_step_reports_its_time(catalog):
    assert set(catalog.search(picture(0)).timings) == {"decode", "encode", "recall", "rank"}
    assert all(milliseconds >= 0 for milliseconds in catalog.search("tea").timings.values())


def test_the_answer_names_its_model(catalog):
    assert catalog.search(picture(0)).space == catalog.info()["model"]
