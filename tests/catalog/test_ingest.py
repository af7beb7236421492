"""Adding is an upsert by product, picture and content: again does nothing, changes are seen, failures are listed."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from PIL import Image

import snapfind
from snapfind.core.errors import NoRoom
from snapfind.core.types import Product
from snapfind.index.payload import point_id
from tests.pictures import picture, save


def counts(report):
    return report.added, report.changed, report.updated, report.unchanged, report.removed, len(report.failures)


def test_a_table_becomes_products_with_pictures(catalog):
    assert len(catalog) == 3
    product = catalog.get("tea-2")
    assert (product.title, product.price, product.brand, product.category) == ("Green tea", 5, "Acme", "tea")
    assert product.attributes == {"stock": 0, "tags": "hot"}
    assert sorted(found.name for found in product.pictures) == ["b-back.png", "b.png"]
    assert all((found.width, found.height) == (96, 96) and len(found.hash) == 64 for found in product.pictures)


def test_a_second_run_embeds_nothing(shop, catalog, monkeypatch):
    monkeypatch.setattr(catalog.model, "encode_document_images", lambda _: pytest.fail("embedded again"))
    monkeypatch.setattr(catalog.model, "encode_document_texts", lambda _: pytest.fail("embedded again"))
    assert counts(catalog.add(shop.table)) == (0, 0, 0, 4, 0, 0)


def test_dates_and_lists_do_not_look_changed_the_second_time(shop):
    shop.rows = [
        ["id", "added", "seen", "tags", "picture"],
        ["1", "2026-01-31", "2026-01-31T10:00:00+01:00", "", "a.png"],
    ]
    with shop.open() as catalog:
        catalog.add(shop.write())
        before = catalog.get("1").attributes
        assert counts(catalog.add(shop.table)) == (0, 0, 0, 1, 0, 0)
        assert catalog.get("1").attributes == before


def test_a_changed_picture_is_seen_even_with_the_old_time_stamp(shop, catalog):
    path = shop.folder / "a.png"
    stamp = path.stat().st_mtime_ns
    save(77, path)
    os.utime(path, ns=(stamp, stamp))
    assert counts(catalog.add(shop.table)) == (0, 1, 0, 3, 0, 0)
    assert catalog.search(picture(77))[0].product.id == "tea-1"


def test_changed_fields_are_seen_without_embedding_pictures(shop, catalog, monkeypatch):
    shop.rows[2][1:3] = ["Jasmine tea", "6"]
    monkeypatch.setattr(catalog.model, "encode_document_images", lambda _: pytest.fail("embedded again"))
    assert counts(catalog.add(shop.write())) == (0, 0, 2, 2, 0, 0)
    product = catalog.get("tea-2")
    assert (product.title, product.price) == ("Jasmine tea", 6)
    assert catalog.search("jasmine")[0].product.id == "tea-2"


def test_swapped_pictures_are_told_apart_by_picture_not_by_any_known_hash(shop, catalog):
    a, c = shop.folder / "a.png", shop.folder / "c.png"
    content = a.read_bytes()
    a.write_bytes(c.read_bytes())
    c.write_bytes(content)
    assert counts(catalog.add(shop.table)) == (0, 2, 0, 2, 0, 0)
    assert catalog.search(picture(0))[0].product.id == "mug-1"


def test_sync_removes_what_is_gone_and_only_then(shop, catalog):
    shop.rows.pop(1)
    shop.rows[1][-1] = "b-back.png"  # the main picture of tea-2 goes: the other one takes its place
    assert counts(catalog.add(shop.write())) == (0, 0, 0, 2, 0, 0)
    assert len(catalog) == 3
    assert counts(catalog.add(shop.table, sync=True)) == (0, 0, 0, 2, 2, 0)
    assert sorted(product.id for product in catalog.products()) == ["mug-1", "tea-2"]
    assert [found.name for found in catalog.get("tea-2").pictures] == ["b-back.png"]
    assert catalog.search("green tea")[0].product.id == "tea-2"
    assert sum(1 for _ in (shop.path / "pictures").rglob("*.jpg")) == 2


def test_sync_keeps_a_product_whose_picture_broke(shop, catalog):
    (shop.folder / "a.png").write_bytes(b"broken")
    report = catalog.add(shop.table, sync=True)
    assert counts(report) == (0, 0, 0, 3, 0, 1)
    assert catalog.get("tea-1").title == "Red tea"


def test_sync_removes_nothing_when_rows_cannot_be_told_apart(shop, catalog):
    shop.rows = [shop.rows[0], ["", "no id", "1", "", "", "1", "", "a.png"], shop.rows[3]]
    report = catalog.add(shop.write(), sync=True)
    assert report.removed == 0 and "nothing was deleted" in report.notes[0]
    assert len(catalog) == 3


def test_a_dry_run_writes_nothing_and_tells_all(shop, catalog):
    shop.rows.append(["new", "New", "1", "", "", "1", "", "a.png"])
    shop.rows.append(["bad", "Bad", "1", "", "", "1", "", "missing.png"])
    shop.rows[1][1] = "Other"
    report = catalog.add(shop.write(), dry_run=True, sync=True)
    assert counts(report) == (1, 0, 1, 3, 0, 1)
    assert len(catalog) == 3 and catalog.get("tea-1").title == "Red tea"


def test_failures_name_row_and_reason_and_the_rest_is_there(shop):
    (shop.folder / "a.png").write_bytes(b"")
    (shop.folder / "b.png").write_text("not a picture")
    (shop.folder / "c.png").write_bytes((shop.folder / "c.png").read_bytes()[:200])
    with shop.open() as catalog:
        report = catalog.add(shop.table)
        found = {failure.path: (failure.id, failure.code) for failure in report.failures}
        assert found == {
            "a.png": ("tea-1", "picture_empty"),
            "b.png": ("tea-2", "picture_format"),
            "c.png": ("mug-1", "picture_broken"),
        }
        assert report.exit_code == 1
        assert [product.id for product in catalog.products()] == ["tea-2"]


@pytest.mark.parametrize("place", range(4))
def test_a_broken_picture_does_not_shift_the_others(tmp_path, place):
    for number in range(4):
        save(number, tmp_path / f"p{number}.png")
    (tmp_path / f"p{place}.png").write_bytes(b"x")
    with snapfind.open(tmp_path / "s.snap", batch=2) as catalog:
        catalog.add(tmp_path)
        for number in set(range(4)) - {place}:
            assert catalog.search(picture(number))[0].product.id == f"p{number}"


def test_the_last_row_of_a_product_speaks_for_it(shop):
    shop.rows += [["tea-1", "Redder tea", "4.5", "Acme", "tea", "3", "hot", "c.png"]]
    with shop.open() as catalog:
        catalog.add(shop.write())
        assert catalog.get("tea-1").title == "Redder tea"
        assert len(catalog.get("tea-1").pictures) == 2


def test_progress_counts_to_the_total(shop):
    seen = []
    with shop.open(batch=1) as catalog:
        catalog.add(shop.table, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]


def test_a_full_disk_is_one_clear_error_and_the_store_goes_on(shop, catalog, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    save(9, shop.folder / "a.png")
    with monkeypatch.context() as patched, pytest.raises(NoRoom, match="free some space"):
        patched.setattr("pathlib.Path.write_bytes", full)
        catalog.add(shop.table)
    assert len(catalog) == 3
    assert catalog.add(shop.table).changed == 1


def test_a_disk_that_is_nearly_full_is_said_before_the_engine_dies_of_it(shop, catalog, monkeypatch):
    left = SimpleNamespace(total=2**40, used=2**40, free=2**20)
    save(9, shop.folder / "a.png")
    with monkeypatch.context() as patched:
        patched.setattr("shutil.disk_usage", lambda _: left)
        with pytest.raises(NoRoom, match="free some space"):
            catalog.add(shop.table)
        with pytest.raises(NoRoom, match="free some space"):
            snapfind.open(shop.folder / "other.snap")
        assert len(catalog) == 3
    assert catalog.add(shop.table).changed == 1


ADD = """
import sys, snapfind
shop = snapfind.open(sys.argv[1], batch=4)
shop.add(sys.argv[2], progress=lambda done, _: print(done, flush=True))
"""


def test_a_killed_run_loses_nothing_and_the_next_goes_on(tmp_path):
    for number in range(120):
        save(number, tmp_path / "pictures" / f"p{number:03}.png")
    acknowledged = 0
    for _ in range(3):
        command = [sys.executable, "-c", ADD, str(tmp_path / "s.snap"), str(tmp_path / "pictures")]
        run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for line in run.stdout:
            acknowledged = max(acknowledged, int(line))
            if int(line) >= acknowledged and int(line) > 16:
                break
        time.sleep(0.05)
        run.send_signal(signal.SIGKILL)
        run.wait()
        run.stdout.close()
        with snapfind.open(tmp_path / "s.snap", batch=4) as catalog:
            assert catalog.index.count() >= acknowledged
            assert catalog.index.count() == len(catalog)
    with snapfind.open(tmp_path / "s.snap") as catalog:
        report = catalog.add(tmp_path / "pictures")
        assert report.unchanged >= acknowledged
        assert report.added + report.unchanged == 120
        assert catalog.search(picture(119))[0].product.id == "p119"


def test_a_picture_that_is_there_already_is_reported_and_stored(shop, catalog):
    twin = shop.folder / "twins"
    twin.mkdir()
    (twin / "copy.png").write_bytes((shop.folder / "a.png").read_bytes())
    picture(2).resize((150, 150)).save(twin / "other.jpg", quality=80)  # b-back.png is picture(2)
    save(77, twin / "new.png")
    report = catalog.add(twin)
    assert report.added == 3
    told = {(one.id, one.of_id, one.of_picture, one.grade) for one in report.duplicates}
    assert told == {("copy", "tea-1", "a.png", "same file"), ("other", "tea-2", "b-back.png", "same picture")}
    assert catalog.add(twin).duplicates == []


def test_of_two_new_twins_the_second_is_reported(shop):
    for name in ("one.png", "two.png"):
        save(5, shop.folder / "pair" / name)
    with shop.open() as catalog:
        report = catalog.add(shop.folder / "pair")
    assert [(one.id, one.of_id, one.grade) for one in report.duplicates] == [("two", "one", "same file")]


def test_blank_pictures_are_kept_and_named_in_a_note(shop):
    blanks = shop.folder / "blanks"
    blanks.mkdir()
    Image.new("RGB", (200, 200), "white").save(blanks / "x.png")
    Image.new("RGBA", (300, 200), (0, 0, 0, 0)).save(blanks / "y.png")
    save(7, blanks / "z.png")
    with shop.open() as opened:
        report = opened.add(blanks)
        assert (report.added, report.failures, report.duplicates) == (3, [], [])
        assert [note for note in report.notes if "single color" in note and "x.png, y.png" in note]
        assert not opened.add(shop.table).notes


def test_a_product_without_pictures_counts_each_of_its_pictures_once(catalog):
    assert counts(catalog.put([(Product("tea-2", title="Sencha"), {})])) == (0, 0, 2, 0, 0, 0)
    assert counts(catalog.put([(Product("tea-2", title="Sencha"), {})])) == (0, 0, 0, 2, 0, 0)


def test_a_copy_that_is_missing_stops_no_import(shop, catalog):
    catalog.folder.copy_of(point_id("tea-1", "a.png")).unlink()
    picture(0).resize((80, 80)).save(shop.folder / "again.png")
    shop.rows.append(["tea-3", "White tea", "6", "Acme", "tea", "1", "hot", "again.png"])
    report = catalog.add(shop.write())
    assert counts(report) == (1, 0, 0, 4, 0, 0) and report.duplicates == []


def test_a_picture_that_is_stored_under_its_absolute_path_keeps_that_name(shop, catalog):
    """Older versions stored such names."""
    path = shop.folder / "a.png"
    catalog.put([(Product("tea-9", title="White tea"), {str(path): path.read_bytes()})])
    shop.rows = [["id", "title", "picture"], ["tea-9", "White tea", "a.png"]]
    assert counts(catalog.add(shop.write())) == (0, 0, 0, 1, 0, 0)
    assert [one.name for one in catalog.get("tea-9").pictures] == [str(path)]


def test_a_dry_run_writes_no_copies(shop):
    with shop.open() as catalog:
        assert catalog.add(shop.table, dry_run=True).added == 4
        assert not list((shop.path / "pictures").rglob("*.jpg"))


def test_only_the_main_picture_has_the_words_of_its_product_after_a_change(shop, catalog):
    shop.rows[2][1] = "Jasmine tea"
    catalog.add(shop.write())
    words = {
        bool(point.payload["_primary"]): point.words for point in catalog.points() if "tea-2" in str(point.payload)
    }
    assert words[False] == "" and "Jasmine" in words[True]


def test_a_file_of_exactly_the_largest_size_is_added(shop):
    size = save(50, shop.folder / "large.bmp").stat().st_size
    shop.rows = [["id", "picture"], ["a", "large.bmp"]]
    table = shop.write()
    with shop.open(max_bytes=size) as catalog:
        assert counts(catalog.add(table)) == (1, 0, 0, 0, 0, 0)
    with snapfind.open(shop.folder / "other.snap", max_bytes=size - 1) as catalog:
        assert [failure.code for failure in catalog.add(table).failures] == ["picture_too_large"]


def test_the_first_picture_by_name_becomes_the_main_one_when_that_is_removed(shop, catalog):
    files = {
        name: save(60 + place, shop.folder / name).read_bytes()
        for place, name in enumerate(["m.png", "z.png", "a.png", "k.png"])
    }
    catalog.put([(Product("cup"), files)])
    assert catalog.get("cup").pictures[0].name == "m.png"
    catalog.remove(point_id("cup", "m.png"))
    assert catalog.get("cup").pictures[0].name == "a.png"


def test_sync_keeps_a_product_whose_row_failed(shop, catalog):
    shop.rows[1][-1] = "absent.png"  # tea-1 is in the source, and its new picture is not
    report = catalog.add(shop.write(), sync=True)
    assert (report.removed, [failure.id for failure in report.failures]) == (0, ["tea-1"])
    assert [one.name for one in catalog.get("tea-1").pictures] == ["a.png"]


def test_sync_with_a_source_of_no_usable_rows_deletes_nothing(shop, catalog):
    shop.rows = [shop.rows[0], [*shop.rows[1][:2], "not a price", *shop.rows[1][3:7], ""]]
    report = catalog.add(shop.write(), sync=True)
    assert report.removed == 0 and "nothing was deleted" in " ".join(report.notes) and len(catalog) == 3
