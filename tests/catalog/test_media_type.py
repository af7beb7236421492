"""A media type from outside the package: its files are added, found with their times, replaced, deleted, exported."""

import csv
import json

import pytest
from PIL import Image

import snapfind
from snapfind.catalog.storage.export import export_copies, write_table
from snapfind.core.errors import BadInput, NotFound
from snapfind.core.types import Product
from snapfind.index.payload import FIXED, point_id
from snapfind.media import handlers
from snapfind.media.handlers import register_media_handler
from tests.media.flip import FlipHandler, flip
from tests.pictures import picture, save


@pytest.fixture(autouse=True)
def flip_files(monkeypatch):
    monkeypatch.setattr(handlers, "_HANDLERS", list(handlers._HANDLERS))
    register_media_handler(FlipHandler())


def book(*numbers):
    return flip([(2.0 * place, 2.0 * place + 2, picture(number)) for place, number in enumerate(numbers)])


@pytest.fixture
def folder(tmp_path):
    """A folder with a flip book of pictures 1, 2, 3 of one product, and an image of another."""
    (tmp_path / "shop" / "boots").mkdir(parents=True)
    (tmp_path / "shop" / "boots" / "walk.flip").write_bytes(book(1, 2, 3))
    save(9, tmp_path / "shop" / "mug.png")
    return tmp_path / "shop"


@pytest.fixture
def catalog(folder):
    with snapfind.open(folder.parent / "shop.snap") as opened:
        assert opened.add(folder).added == 2
        yield opened


def counts(report):
    return report.added, report.changed, report.updated, report.unchanged, report.removed, len(report.failures)


def stored(catalog, product="boots"):
    """(kind, ordinal, start, end) of the stored items of a product, in order."""
    pictures = sorted(catalog.get(product).pictures, key=lambda one: one.ordinal)
    return [(one.kind, one.ordinal, one.start, one.end) for one in pictures]


def test_a_photo_finds_the_frame_with_its_times(catalog):
    assert stored(catalog) == [("flip", 0, 0, 2), ("flip", 1, 2, 4), ("flip", 2, 4, 6)]
    assert (len(catalog), catalog.info()["pictures"]) == (2, 4)
    for place, number in enumerate((1, 2, 3)):
        hit = catalog.search(picture(number))[0]
        assert (hit.product.id, hit.picture.name, hit.picture.kind) == ("boots", "boots/walk.flip", "flip")
        assert (hit.picture.ordinal, hit.picture.start, hit.picture.end) == (place, 2 * place, 2 * place + 2)
    image = catalog.search(picture(9))[0].picture
    assert (image.kind, image.ordinal, image.start, image.end) == ("image", 0, None, None)


def test_each_frame_has_its_own_copy(catalog):
    copies = [catalog.picture("boots", "boots/walk.flip", ordinal) for ordinal in range(3)]
    assert len(set(copies)) == 3
    with pytest.raises(NotFound):
        catalog.picture("boots", "boots/walk.flip", 3)


def test_a_row_of_a_table_names_such_a_file(folder):
    table = folder.parent / "products.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([["id", "title", "picture"], ["b1", "Boots", "shop/boots/walk.flip,shop/mug.png"]])
    with snapfind.open(folder.parent / "table.snap") as catalog:
        assert counts(catalog.add(table)) == (2, 0, 0, 0, 0, 0)
        hit = catalog.search(picture(3))[0]
        assert (hit.product.title, hit.picture.name, hit.picture.start) == ("Boots", "shop/boots/walk.flip", 4)
        assert [one.kind for one in catalog.get("b1").pictures].count("flip") == 3
        assert catalog.search("boots")[0].product.id == "b1"


def test_an_unchanged_file_is_not_encoded_again(catalog, folder, monkeypatch):
    monkeypatch.setattr(catalog.model, "encode_document_images", lambda _: pytest.fail("encoded again"))
    assert counts(catalog.add(folder, sync=True)) == (0, 0, 0, 2, 0, 0)
    assert len(stored(catalog)) == 3


def test_changed_fields_reach_every_frame(catalog):
    catalog.update("boots", {"price": 5})
    assert len(stored(catalog)) == 3
    assert {hit.picture.start for hit in (catalog.search(picture(n), filter="price = 5")[0] for n in (1, 2, 3))} == {
        0,
        2,
        4,
    }


def test_a_replaced_file_leaves_no_frame_behind(catalog, folder):
    (folder / "boots" / "walk.flip").write_bytes(book(5))
    third = catalog.folder.copy_of(point_id("boots", "boots/walk.flip", 2))
    assert third.exists()
    assert counts(catalog.add(folder)) == (0, 1, 0, 1, 0, 0)
    assert stored(catalog) == [("flip", 0, 0, 2)]
    assert not third.exists()
    assert catalog.search(picture(5))[0].product.id == "boots"
    assert (len(catalog), catalog.info()["pictures"]) == (2, 2)


def test_the_product_stays_listed_when_its_main_frame_is_replaced_away(catalog, folder):
    catalog.hide([point_id("boots", "boots/walk.flip")])  # now the second frame stands for the product
    (folder / "boots" / "walk.flip").write_bytes(book(6))
    catalog.add(folder)
    assert stored(catalog) == [("flip", 0, 0, 2)]
    assert [product.id for product in catalog.products()].count("boots") == 1


def test_a_file_whose_first_frame_is_missing_is_added_again(catalog, folder):
    catalog.index.delete([point_id("boots", "boots/walk.flip")])  # as after a crash: the first frame is written last
    assert counts(catalog.add(folder)) == (1, 0, 0, 1, 0, 0)
    assert len(stored(catalog)) == 3


def test_removing_a_frame_removes_its_file(catalog):
    catalog.remove(point_id("boots", "boots/walk.flip", 1))
    assert (len(catalog), catalog.info()["pictures"]) == (1, 1)


def test_deleting_the_product_and_sync_remove_every_frame(catalog, folder):
    assert catalog.delete(["boots"]) == 3
    assert catalog.info()["pictures"] == 1
    catalog.add(folder)
    (folder / "boots" / "walk.flip").unlink()
    assert catalog.add(folder, sync=True).removed == 3
    assert catalog.info()["pictures"] == 1


def test_an_export_has_a_row_for_the_file_and_is_added_again(catalog, folder):
    target = folder / "export.csv"
    assert write_table(catalog.export(), target, FIXED | catalog.schema, vectors=False) == 2
    with snapfind.open(folder.parent / "again.snap") as again:
        assert counts(again.add(target)) == (2, 0, 0, 0, 0, 0)
        assert stored(again) == stored(catalog)


def test_an_export_with_vectors_has_a_row_for_each_frame(catalog, folder):
    target = folder / "export.jsonl"
    assert write_table(catalog.export(vectors=True), target, FIXED | catalog.schema, vectors=True) == 4
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    frames = sorted((row["_start"], row["_end"]) for row in rows if row.get("_kind") == "flip")
    assert frames == [(0, 2), (2, 4), (4, 6)]


def test_an_export_with_copies_has_an_image_of_each_frame(catalog, folder):
    target = folder.parent / "export.csv"
    rows = export_copies(catalog.export(), catalog.picture, folder.parent / "copies")
    assert write_table(rows, target, FIXED | catalog.schema, vectors=False) == 4
    with snapfind.open(folder.parent / "again.snap") as again:
        assert counts(again.add(target)) == (4, 0, 0, 0, 0, 0)
        assert stored(again) == [("image", 0, None, None)] * 3


def test_an_upload_is_read_by_the_suffix_of_its_name(catalog):
    report = catalog.put([(Product("jump", "Jumping boots"), {"jump.flip": book(11, 12), "front.png": png(13)})])
    assert counts(report) == (2, 0, 0, 0, 0, 0)
    assert catalog.search(picture(12))[0].picture.start == 2
    assert sorted(stored(catalog, "jump")) == [("flip", 0, 0, 2), ("flip", 1, 2, 4), ("image", 0, None, None)]


def png(number):
    return flip([(0, 1, picture(number))])[20:]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "picture_empty"),
        (b"FLOP\1\0\0\0", "picture_format"),
        (b"FLIP", "picture_broken"),  # the handler raises struct.error
        (b"FLIP\0\0\0\0", "picture_broken"),  # no frame
        (book(1, 2)[:-40], "picture_broken"),
        (flip([(3, 1, picture(1))]), "picture_broken"),  # it ends before it starts
    ],
)
def test_a_bad_file_is_reported_and_the_others_go_on(catalog, folder, content, code):
    (folder / "bad.flip").write_bytes(content)
    save(21, folder / "new.png")
    report = catalog.add(folder)
    assert counts(report) == (1, 0, 0, 2, 0, 1)
    assert (report.failures[0].path, report.failures[0].code) == ("bad.flip", code)


def test_a_bad_new_version_leaves_the_old_one_untouched(catalog, folder):
    before = [catalog.picture("boots", "boots/walk.flip", ordinal) for ordinal in range(3)]
    (folder / "boots" / "walk.flip").write_bytes(book(7, 8, 9)[:-40])
    assert len(catalog.add(folder).failures) == 1
    assert [catalog.picture("boots", "boots/walk.flip", ordinal) for ordinal in range(3)] == before
    assert catalog.search(picture(2))[0].picture.start == 2


def test_the_same_file_of_two_products_is_reported_once(catalog, folder):
    for name in ("film-0", "film-17"):  # the points of their first frames are the last by id
        (folder / name).mkdir()
        (folder / name / "walk.flip").write_bytes(book(*range(40, 60)))
    report = catalog.add(folder)
    assert [{one.id, one.of_id, one.grade} for one in report.duplicates] == [{"film-0", "film-17", "same file"}]


def test_frames_of_one_file_are_no_duplicates_of_each_other(folder):
    (folder / "boots" / "walk.flip").write_bytes(book(4, 4, 4))
    with snapfind.open(folder.parent / "still.snap") as catalog:
        assert catalog.add(folder).duplicates == []


def test_a_file_is_one_color_only_when_all_its_frames_are(folder):
    white = Image.new("RGB", (96, 96), "white")
    (folder / "boots" / "walk.flip").write_bytes(flip([(0, 1, white), (1, 2, picture(1))]))
    (folder / "blank.flip").write_bytes(flip([(0, 1, white), (1, 2, white)]))
    with snapfind.open(folder.parent / "blank.snap") as catalog:
        notes = "\n".join(catalog.add(folder).notes)
    assert "blank.flip" in notes and "walk.flip" not in notes


def test_a_second_model_is_built_from_the_copies_of_the_frames(catalog):
    catalog.models.fit()
    assert catalog.search(picture(2))[0].picture.start == 2


@pytest.mark.parametrize("suffix", ["flip", ".FLIP", ".a/b", ".png"])
def test_a_suffix_that_is_malformed_or_in_use_is_rejected(suffix):
    class Other(FlipHandler):
        suffixes = frozenset({suffix})

    with pytest.raises(BadInput, match=r"suffix|belongs"):
        register_media_handler(Other())
    assert handlers.handler_for("walk.flip").suffixes == {".flip"}
