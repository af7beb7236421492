"""Hidden pictures are in no answer and come back as they were."""

import numpy as np
import pytest

from snapfind.core.errors import CatalogBroken, NotFound
from snapfind.index.payload import point_id
from tests.pictures import picture
from tests.second_model import second_model


def state(catalog):
    """Everything that the index holds."""
    return {
        point.id: (dict(point.payload), {space: np.asarray(row).tolist() for space, row in point.vectors.items()})
        for point in catalog.points(vectors=True)
    }


def test_a_hidden_picture_is_in_no_answer_and_comes_back_as_it_was(catalog):
    before, main = state(catalog), point_id("tea-2", "b.png")
    assert catalog.hide([main, main, point_id("tea-2", "none.png")]) == [main]
    assert len(catalog) == 3 and catalog.index.count() == 3
    assert [one.name for one in catalog.get("tea-2").pictures] == ["b-back.png"]
    assert catalog.search("green tea")[0].product.id == "tea-2"  # the other picture speaks for it now
    assert catalog.show([main, main]) == [main]
    assert state(catalog) == before
    assert catalog.show([main]) == []


def test_a_product_without_a_picture_left_is_hidden_too(catalog):
    before, only = state(catalog), point_id("mug-1", "c.png")
    catalog.hide([only])
    assert len(catalog) == 2 and catalog.facets("category") == [("tea", 2)]
    assert "mug-1" not in [hit.product.id for hit in catalog.search(picture(3))]
    with pytest.raises(NotFound):
        catalog.get("mug-1")
    catalog.show([only])
    assert state(catalog) == before and catalog.search(picture(3))[0].product.id == "mug-1"


def test_the_same_file_added_again_stays_hidden_and_another_one_does_not(shop, catalog):
    only = point_id("mug-1", "c.png")
    catalog.hide([only])
    report = catalog.add(shop.table)
    assert (report.added, report.unchanged) == (0, 4) and len(catalog) == 2
    picture(30).save(shop.folder / "c.png")
    assert catalog.add(shop.table).added == 1 and len(catalog) == 3
    assert catalog.show([only]) == []  # the new picture stays
    assert catalog.search(picture(30))[0].product.id == "mug-1"


def test_fields_that_changed_meanwhile_count(catalog):
    main = point_id("tea-2", "b.png")
    catalog.hide([main])
    catalog.update("tea-2", {"price": 9})
    catalog.show([main])
    assert {point.payload["price"] for point in catalog.points() if point.payload["_product"] == "tea-2"} == {9}
    assert catalog.get("tea-2").pictures[0].name == "b.png"


def test_a_space_that_was_built_meanwhile_gets_its_vector(catalog, tmp_path):
    main = point_id("tea-2", "b.png")
    catalog.hide([main])
    name = second_model(catalog, tmp_path / "artifact")
    catalog.show([main])
    assert all(name in point.vectors for point in catalog.points(vectors=True))


def test_hidden_pictures_outlive_the_process_and_go_with_their_product(shop, catalog):
    main = point_id("tea-2", "b.png")
    catalog.hide([main])
    catalog.close()
    with shop.open() as again:
        assert again.show([main]) == [main]
        again.hide([main])
        again.delete(["tea-2"])
        assert again.show([main]) == []


def test_a_damaged_file_is_named(catalog):
    main = point_id("tea-2", "b.png")
    catalog.hide([main])
    (catalog.folder.path / "hidden" / f"{main}.safetensors").write_bytes(b"broken")
    with pytest.raises(CatalogBroken, match="hidden"):
        catalog.show([main])


def test_a_product_that_is_deleted_while_all_its_pictures_are_hidden_does_not_come_back(catalog):
    points = [point.id for point in catalog.points() if point.payload["_product"] == "tea-1"]
    catalog.hide(points)
    assert catalog.delete(["tea-1"]) == 0  # it has no point in the index
    assert catalog.show(points) == [] and not catalog.folder.copy_of(points[0]).exists()


def test_a_name_that_is_not_an_id_reaches_no_file(catalog):
    (catalog.folder.path / "hidden").mkdir()
    other = catalog.folder.path / "other.safetensors"
    other.write_bytes(b"not a hidden picture")
    assert catalog.show(["../other"]) == []
    assert other.read_bytes() == b"not a hidden picture"
