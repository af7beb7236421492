"""Hidden pictures are in no answer and come back as they were."""

import numpy as np
import pytest

from snapfind.core.errors import CatalogBroken, NotFound
from snapfind.index.payload import point_id
from tests.pictures import picture
from tests.second_model import second_model


def state(catalogue):
    """Everything that the index holds."""
    return {
        point.id: (dict(point.payload), {space: np.asarray(row).tolist() for space, row in point.vectors.items()})
        for point in catalogue.points(vectors=True)
    }


def test_a_hidden_picture_is_in_no_answer_and_comes_back_as_it_was(catalogue):
    before, main = state(catalogue), point_id("tea-2", "b.png")
    assert catalogue.hide([main, main, point_id("tea-2", "none.png")]) == [main]
    assert len(catalogue) == 3 and catalogue.index.count() == 3
    assert [one.name for one in catalogue.get("tea-2").pictures] == ["b-back.png"]
    assert catalogue.search("green tea")[0].product.id == "tea-2"  # the other picture speaks for it now
    assert catalogue.show([main, main]) == [main]
    assert state(catalogue) == before
    assert catalogue.show([main]) == []


def test_a_product_without_a_picture_left_is_hidden_too(catalogue):
    before, only = state(catalogue), point_id("mug-1", "c.png")
    catalogue.hide([only])
    assert len(catalogue) == 2 and catalogue.facets("category") == [("tea", 2)]
    assert "mug-1" not in [hit.product.id for hit in catalogue.search(picture(3))]
    with pytest.raises(NotFound):
        catalogue.get("mug-1")
    catalogue.show([only])
    assert state(catalogue) == before and catalogue.search(picture(3))[0].product.id == "mug-1"


def test_the_same_file_added_again_stays_hidden_and_another_one_does_not(shop, catalogue):
    only = point_id("mug-1", "c.png")
    catalogue.hide([only])
    report = catalogue.add(shop.table)
    assert (report.added, report.unchanged) == (0, 4) and len(catalogue) == 2
    picture(30).save(shop.folder / "c.png")
    assert catalogue.add(shop.table).added == 1 and len(catalogue) == 3
    assert catalogue.show([only]) == []  # the new picture stays
    assert catalogue.search(picture(30))[0].product.id == "mug-1"


def test_fields_that_changed_meanwhile_count(catalogue):
    main = point_id("tea-2", "b.png")
    catalogue.hide([main])
    catalogue.update("tea-2", {"price": 9})
    catalogue.show([main])
    assert {point.payload["price"] for point in catalogue.points() if point.payload["_product"] == "tea-2"} == {9}
    assert catalogue.get("tea-2").pictures[0].name == "b.png"


def test_a_space_that_was_built_meanwhile_gets_its_vector(catalogue, tmp_path):
    main = point_id("tea-2", "b.png")
    catalogue.hide([main])
    name = second_model(catalogue, tmp_path / "artifact")
    catalogue.show([main])
    assert all(name in point.vectors for point in catalogue.points(vectors=True))


def test_hidden_pictures_outlive_the_process_and_go_with_their_product(shop, catalogue):
    main = point_id("tea-2", "b.png")
    catalogue.hide([main])
    catalogue.close()
    with shop.open() as again:
        assert again.show([main]) == [main]
        again.hide([main])
        again.delete(["tea-2"])
        assert again.show([main]) == []


def test_a_damaged_file_is_named(catalogue):
    main = point_id("tea-2", "b.png")
    catalogue.hide([main])
    (catalogue.folder.path / "hidden" / f"{main}.safetensors").write_bytes(b"broken")
    with pytest.raises(CatalogBroken, match="hidden"):
        catalogue.show([main])
