"""The folder: one owner, a manifest that is never half-written, newer formats refused."""

import json
import os
import shutil
import subprocess
import sys

import pytest

import snapfind
from snapfind.catalog.storage.folder import FORMAT, Folder, copy_draft, write_whole
from snapfind.core.errors import CatalogBroken, CatalogBusy, NoRoom, NotFound


def made(path):
    folder = Folder(path, create=True)
    folder.save(active="x")
    return folder


def test_a_second_opener_is_told_the_owners_pid(tmp_path):
    folder = made(tmp_path / "a.snap")
    args = f"(__import__('pathlib').Path({str(folder.path)!r}), create=False)"
    code = "import snapfind.catalog.storage.folder\nsnapfind.catalog.storage.folder.Folder" + args
    other = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert f"is open in process {os.getpid()}" in other.stderr
    with pytest.raises(CatalogBusy, match=str(os.getpid())):
        Folder(folder.path, create=False)
    folder.close()
    Folder(folder.path, create=False).close()


def test_the_lock_of_a_killed_owner_is_taken_over(tmp_path):
    made(tmp_path / "a.snap").close()
    path = str(tmp_path / "a.snap")
    code = (
        "from snapfind.catalog.storage.folder import Folder; from pathlib import Path; import os, signal\n"
        f"Folder(Path({path!r}), create=False); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    folder = Folder(tmp_path / "a.snap", create=False)
    assert (tmp_path / "a.snap" / "owner").read_text() == str(os.getpid())
    folder.close()


def test_what_is_no_catalog_is_refused(tmp_path):
    with pytest.raises(NotFound, match="snapfind add"):
        Folder(tmp_path / "none.snap", create=False)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "photo.jpg").write_text("x")
    with pytest.raises(CatalogBroken, match="other files"):
        Folder(tmp_path / "full", create=True)
    assert (tmp_path / "full" / "photo.jpg").exists()


def test_a_newer_format_is_refused_and_an_unknown_field_is_not(tmp_path):
    folder = made(tmp_path / "a.snap")
    folder.close()
    manifest = folder.path / "manifest.json"
    values = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**values, "later": 1}))
    Folder(folder.path, create=False).close()
    manifest.write_text(json.dumps({**values, "format": 99}))
    with pytest.raises(CatalogBroken, match="upgrade"):
        Folder(folder.path, create=False)
    manifest.write_text("{")
    with pytest.raises(CatalogBroken, match="snapshot"):
        Folder(folder.path, create=False)


def test_writing_whole_leaves_the_old_content_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "m.json"
    write_whole(path, b"old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(Exception, match="no room"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_artifact_is_copied_whole_or_not_at_all(tmp_path, monkeypatch):
    (tmp_path / "artifact" / "heads").mkdir(parents=True)
    for name in ("a", "heads/b"):
        (tmp_path / "artifact" / name).write_text(name)
    draft = copy_draft(tmp_path / "artifact", ["a", "heads/b", "absent"], tmp_path / "spaces")
    assert (draft / "heads/b").read_text() == "heads/b" and not (draft / "absent").exists()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(NoRoom, match="free some space"):
        copy_draft(tmp_path / "artifact", ["a"], tmp_path / "spaces")
    assert list((tmp_path / "spaces").iterdir()) == []


def test_a_catalog_without_its_index_is_broken_and_not_empty(tmp_path):
    snapfind.open(tmp_path / "shop.snap").close()
    shutil.rmtree(tmp_path / "shop.snap" / "index")
    with pytest.raises(CatalogBroken, match="restore it from a snapshot"):
        snapfind.open(tmp_path / "shop.snap")


def test_the_next_format_is_refused_and_the_repaired_folder_opens_in_this_process(tmp_path):
    folder = made(tmp_path / "a.snap")
    folder.close()
    manifest = folder.path / "manifest.json"
    written = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**written, "format": FORMAT + 1}))
    with pytest.raises(CatalogBroken, match="upgrade"):
        Folder(folder.path, create=False)
    manifest.write_text(json.dumps(written))
    Folder(folder.path, create=False).close()  # the refused one holds no lock


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_does_not_release_the_folder_of_its_parent(tmp_path):
    folder = made(tmp_path / "a.snap")
    child = os.fork()
    if child == 0:
        folder.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert (folder.path / "owner").read_text() == str(os.getpid())
    folder.close()
