"""What a folder holds: pictures by content, nothing of systems, linked folders once, and a note on the rest."""

import shutil

import pytest

import snapfind
from snapfind.catalog.ingest.sources import Failure, open_source
from snapfind.core.errors import BadInput
from tests.media.pictures import FORMATS, scene, written
from tests.pictures import save


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def names(folder):
    return sorted(one.picture for one in open_source(folder, {}) if not isinstance(one, Failure))


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JPG_LARGE", ".apng", ".img", ".tmp", ""])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_is_one_whatever_its_suffix(tmp_path, suffix, kind):
    put(tmp_path / f"mug{suffix}", written(scene(), kind))
    if kind == "TIFF" and suffix in {".img", ".tmp"}:  # raw files of cameras are TIFF by their first bytes
        with pytest.raises(BadInput, match=suffix):
            open_source(tmp_path, {})
        return
    (item,) = open_source(tmp_path, {})
    assert (item.picture, item.product.id) == (f"mug{suffix}", "mug")


def test_names_with_points_that_are_no_suffix_stay_whole(tmp_path):
    put(tmp_path / "mug 1.5", written(scene(), "JPEG"))
    (item,) = open_source(tmp_path, {})
    assert item.product.id == "mug 1.5"


def test_what_is_left_out_is_counted(tmp_path):
    save(1, tmp_path / "a.png")
    for name, content in {
        "prices.txt": b"BMW, Mini",
        "b.txt": b"x",
        "raw.cr2": b"II*\0" + b"\0" * 40,
        "clip.mp4": b"\0\0\0\x18ftypmp42",
        "README": b"hello",
        "Thumbs.db": b"x",
        "desktop.ini": b"x",
        ".DS_Store": b"x",
    }.items():
        put(tmp_path / "in" / name, content)
    source = open_source(tmp_path, {})
    assert [one.picture for one in source] == ["a.png"]
    (note,) = source.notes
    for said in ("2 .txt", "1 .cr2", "1 .mp4", "1 without a suffix"):
        assert said in note
    assert "db" not in note and "ini" not in note
    (tmp_path / "a.png").unlink()
    with pytest.raises(BadInput, match=r"2 \.txt"):
        open_source(tmp_path, {})


@pytest.mark.parametrize(
    "folder",
    ["@eaDir", "__MACOSX", "$RECYCLE.BIN", "$Recycle.Bin", ".thumbnails", "#recycle", "System Volume Information"],
)
def test_folders_of_systems_are_no_products(tmp_path, folder):
    save(1, tmp_path / "a.png")
    save(2, tmp_path / folder / "b.png")
    save(3, tmp_path / "shoes" / folder / "deep" / "c.png")
    assert names(tmp_path) == ["a.png"]


def test_linked_folders_inside_are_walked_once(tmp_path):
    shop = tmp_path / "shop"
    save(1, shop / "real" / "a.png")
    save(2, shop / ".store" / "b.png")
    (shop / "again").symlink_to(shop / "real")
    (shop / "bound").symlink_to(shop / ".store")
    (shop / "bound2").symlink_to(shop / ".store")
    (shop / "real" / "loop").symlink_to(shop)
    assert names(shop) == ["bound/b.png", "real/a.png"]
    assert names(shop) == names(shop)


def test_linked_folders_that_lead_outside_are_listed(tmp_path):
    shop = tmp_path / "shop"
    save(1, shop / "a.png")
    save(2, tmp_path / "outside" / "sub" / "b.png")
    (shop / "linked").symlink_to(tmp_path / "outside")
    (shop / "broken").symlink_to(tmp_path / "nowhere")
    with snapfind.open(tmp_path / "shop.snap") as catalog:
        report = catalog.add(shop)
        assert report.added == 1
        assert [(one.id, one.code, one.path) for one in report.failures] == [("linked", "picture_outside", "linked")]
        shutil.rmtree(tmp_path / "outside")
        assert catalog.add(shop, sync=True).removed == 0


def test_a_linked_root_is_followed(tmp_path):
    save(1, tmp_path / "real" / "in" / "a.png")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert names(tmp_path / "link") == ["in/a.png"]
