"""A snapshot restores bit for bit; damage is found, by verify and by restore, and nothing half-made is left."""

import hashlib
import io
import json
import random
import shutil
import subprocess
import tarfile

import pytest

from snapfind.catalog.doctor import examine
from snapfind.catalog.storage.folder import Folder
from snapfind.catalog.storage.snapshot import pack, restore, snapshot, verify
from snapfind.core.errors import BadInput, CatalogBroken, CatalogBusy, NotFound
from tests.pictures import picture


@pytest.fixture
def taken(shop, tmp_path):
    with shop.open() as catalog:
        catalog.add(shop.table)
    snapshot(shop.path, tmp_path / "shop.tar")
    return tmp_path / "shop.tar"


def test_what_is_restored_answers_the_same(shop, taken, tmp_path):
    import snapfind

    assert verify(taken) == restore(taken, tmp_path / "back.snap")
    with shop.open() as before, snapfind.open(tmp_path / "back.snap") as after:
        for number in range(4):
            ours, theirs = before.search(picture(number)), after.search(picture(number))
            assert [(hit.product, hit.score) for hit in ours] == [(hit.product, hit.score) for hit in theirs]


def test_a_damaged_snapshot_is_found_and_leaves_nothing(taken, tmp_path):
    content = bytearray(taken.read_bytes())
    content[len(content) // 2] ^= 1
    taken.write_bytes(content)
    with pytest.raises(CatalogBroken, match="damaged"):
        verify(taken)
    with pytest.raises(CatalogBroken, match="damaged"):
        restore(taken, tmp_path / "back.snap")
    assert not (tmp_path / "back.snap").exists()
    assert not (tmp_path / "back.snap.new").exists()


def test_what_is_no_snapshot_or_in_the_way_is_refused(shop, taken, tmp_path):
    with pytest.raises(BadInput, match="already exists"):
        snapshot(shop.path, taken)
    with pytest.raises(BadInput, match="already exists"):
        restore(taken, shop.path)
    with pytest.raises(NotFound):
        verify(tmp_path / "none.tar")
    (tmp_path / "text.tar").write_text("x" * 2000)
    with pytest.raises(CatalogBroken, match="not a snapshot"):
        verify(tmp_path / "text.tar")
    with shop.open(), pytest.raises(CatalogBusy):
        snapshot(shop.path, tmp_path / "other.tar")


def test_the_doctor_finds_a_well_catalog_well_and_names_what_is_missing(shop):
    with shop.open() as catalog:
        catalog.add(shop.table)
        copy = next((shop.path / "pictures").rglob("*.jpg"))
    assert {check.state for check in examine(shop.path)} == {"ok"}
    copy.unlink()
    found = {check.name: check for check in examine(shop.path)}
    assert found["copies"].state == "warning" and "1 copies" in found["copies"].message
    (shop.path / "manifest.json").write_text("{")
    assert "broken" in {check.state for check in examine(shop.path)}


@pytest.mark.parametrize("name", ["cut.tar", "cut.tar.gz"])
def test_a_snapshot_that_is_cut_off_is_said_to_be_so(tmp_path, name):
    (tmp_path / "shop.snap").mkdir()
    (tmp_path / "shop.snap" / "manifest.json").write_bytes(random.randbytes(50_000))
    pack(tmp_path / "shop.snap", tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    for act in (verify, lambda source: restore(source, tmp_path / "back.snap")):
        with pytest.raises(CatalogBroken, match="cut off"):
            act(tmp_path / name)
    assert not list(tmp_path.glob("back*"))


def test_a_packed_snapshot_is_small_and_restores(shop, tmp_path):
    with shop.open() as catalog:
        catalog.add(shop.table)
        assert catalog.info()["bytes"] < 20 * 2**20  # files of the engine are long and hardly written
    assert snapshot(shop.path, tmp_path / "shop.tar.gz") < 5 * 2**20
    assert verify(tmp_path / "shop.tar.gz") == restore(tmp_path / "shop.tar.gz", tmp_path / "back.snap")
    assert Folder(tmp_path / "back.snap", create=False).size() < 20 * 2**20


def test_a_snapshot_does_not_go_into_the_catalog(shop):
    shop.open().close()
    with pytest.raises(BadInput, match="outside"):
        snapshot(shop.path, shop.path / "backup.tar")


@pytest.mark.parametrize("name", ["shop.tar", "shop.tar.gz"])
def test_zeros_are_not_written_and_come_back_as_holes(shop, tmp_path, name):
    with shop.open() as catalog:
        catalog.add(shop.table)
    odd = {
        "zeros": bytes(3_000_000),
        "ends with zeros": b"a" * 100 + bytes(2_000_000),
        "begins with zeros": bytes(2_000_000) + b"b",
        "many holes": (b"c" * 65_536 + bytes(65_536)) * 40,
        "dense": random.Random(0).randbytes(300_000),
        "empty": b"",
    }
    for each, content in odd.items():
        (shop.path / each).write_bytes(content)
    apparent = sum(path.stat().st_size for path in shop.path.rglob("*") if path.is_file())
    assert snapshot(shop.path, tmp_path / name) < apparent / 4
    assert verify(tmp_path / name) == restore(tmp_path / name, tmp_path / "back.snap")
    for each, content in odd.items():
        assert (tmp_path / "back.snap" / each).read_bytes() == content
    assert (tmp_path / "back.snap" / "zeros").stat().st_blocks * 512 < 1_000_000


def test_other_programs_read_a_snapshot(taken, tmp_path):
    program = shutil.which("tar")
    if program is None:
        pytest.skip("there is no tar on this machine")
    (tmp_path / "out").mkdir()
    subprocess.run([program, "-xf", str(taken), "-C", str(tmp_path / "out")], check=True)
    sums = json.loads((tmp_path / "out" / "SNAPSHOT.json").read_bytes())["files"]
    assert {name: hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() for name in sums} == sums


def test_a_snapshot_of_an_older_version_with_its_zeros_restores(taken, tmp_path):
    restore(taken, tmp_path / "first.snap")
    with tarfile.open(taken) as tar:
        sums = tar.extractfile("SNAPSHOT.json").read()
    with tarfile.open(tmp_path / "old.tar", "w") as tar:
        entry = tarfile.TarInfo("SNAPSHOT.json")
        entry.size = len(sums)
        tar.addfile(entry, io.BytesIO(sums))
        for name in json.loads(sums)["files"]:
            tar.add(tmp_path / "first.snap" / name, name)
    assert verify(tmp_path / "old.tar") == restore(tmp_path / "old.tar", tmp_path / "back.snap")


def test_progress_is_told_in_megabytes(shop, tmp_path):
    with shop.open() as catalog:
        catalog.add(shop.table)
    told = []
    snapshot(shop.path, tmp_path / "shop.tar", progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told) and told[-1][0] in (told[-1][1], told[-1][1] - 1) and told[-1][1] > 0
    back = []
    restore(tmp_path / "shop.tar", tmp_path / "back.snap", progress=lambda done, _: back.append(done))
    assert back and back == sorted(back)


def test_a_copy_replaces_a_database_with_its_write_ahead_log(shop, taken, tmp_path):
    for suffix in ("", "-wal", "-shm"):
        (shop.path / f"events.db{suffix}").write_bytes(b"being written")
    (tmp_path / "copy.db").write_bytes(b"whole")
    pack(shop.path, tmp_path / "open.tar", {"events.db": tmp_path / "copy.db"})
    restore(tmp_path / "open.tar", tmp_path / "back.snap")
    assert {path.name: path.read_bytes() for path in (tmp_path / "back.snap").glob("events.db*")} == {
        "events.db": b"whole"
    }


def test_jobs_and_query_photos_are_not_in_a_snapshot(shop, taken, tmp_path):
    for name in ("jobs/1/given/table.csv", "query_photos/ab/photo.jpg"):
        (shop.path / name).parent.mkdir(parents=True)
        (shop.path / name).write_bytes(b"private")
    snapshot(shop.path, tmp_path / "later.tar")
    restore(tmp_path / "later.tar", tmp_path / "back.snap")
    names = {path.name for path in (tmp_path / "back.snap").iterdir()}
    assert "manifest.json" in names and not names & {"jobs", "query_photos"}
