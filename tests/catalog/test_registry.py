"""A second model is built beside the first, switched to, and rolled back from; spaces never mix."""

import pytest

from snapfind.core.errors import BadInput, NotFound
from tests.catalog.conftest import COUNT
from tests.pictures import picture, save


def test_fit_builds_beside_switches_and_rolls_back(shop, larger):
    raw = larger.info()["model"]
    before = larger.search(picture(4))[0]
    fitted = larger.models.fit()
    assert fitted != raw and larger.info()["model"] == fitted and larger.fitted
    assert larger.search(picture(4))[0].product.id == "m4"
    # what is added now stands in both spaces, so that the way back finds it too
    save(40, shop.folder / "later" / "late.png")
    larger.add(shop.folder / "later")
    assert larger.search(picture(40))[0].product.id == "late"
    assert larger.models.rollback() == raw
    assert larger.search(picture(40))[0].product.id == "late"
    after = larger.search(picture(4))[0]
    assert (after.product.id, after.parts) == (before.product.id, before.parts)
    assert larger.models.rollback() == fitted


def test_a_fitted_catalog_opened_again_is_fitted(shop):
    for number in range(4):
        save(number, shop.folder / "more" / f"m{number}.png")
    with shop.open() as catalog:
        catalog.add(shop.folder / "more")
        fitted = catalog.models.fit()
        scores = [hit.score for hit in catalog.search(picture(3))]
    with shop.open() as catalog:
        assert catalog.info()["model"] == fitted
        assert [hit.score for hit in catalog.search(picture(3))] == pytest.approx(scores, abs=1e-5)


def test_an_interrupted_build_goes_on_where_it_stopped(larger, monkeypatch):
    embedded = []

    def counted(index_put):
        def put(space, vectors):
            embedded.append(len(vectors))
            if len(embedded) == 1:
                index_put(space, vectors)
                raise KeyboardInterrupt
            index_put(space, vectors)

        return put

    monkeypatch.setattr("snapfind.catalog.models.build_space._BATCH", 2)
    monkeypatch.setattr(larger.index, "put_vectors", counted(larger.index.put_vectors))
    with pytest.raises(KeyboardInterrupt):
        larger.models.fit()
    assert not larger.fitted
    larger.models.fit()
    assert larger.fitted
    assert sum(embedded) == COUNT


def test_switching_to_what_is_not_there_says_what_is(larger):
    with pytest.raises(NotFound, match="lite0"):
        larger.models.switch("nothing")
    with pytest.raises(NotFound, match="none was switched"):
        larger.models.rollback()


def test_fitting_needs_pictures(shop):
    with shop.open() as catalog, pytest.raises(BadInput, match="add products first"):
        catalog.models.fit()
