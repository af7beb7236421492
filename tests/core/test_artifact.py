"""An artifact is read whole and checked, or refused with a sentence that names the file and the remedy."""

import json

import pytest

from snapfind.core.artifact import artifact_kind, read_artifact, read_manifest, write_artifact
from snapfind.core.errors import ModelBroken, NotFound

FILES = {"weights.safetensors": b"\x00\x01weights", "golden.json": b"[1]"}


@pytest.fixture
def artifact(tmp_path):
    write_artifact(tmp_path / "a", {"kind": "toy", "name": "x"}, FILES)
    return tmp_path / "a"


def test_what_was_written_is_read(artifact):
    manifest, files = read_artifact(artifact, "toy", remedy="make it again")
    assert files == FILES and manifest["name"] == "x" and set(manifest["sha256"]) == set(FILES)
    assert artifact_kind(artifact) == "toy"
    assert read_manifest(artifact, remedy="") == manifest


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: content + b"x", lambda content: b""])
def test_a_changed_file_is_named(artifact, name, damage):
    (artifact / name).write_bytes(damage(FILES[name]))
    with pytest.raises(ModelBroken, match=rf"{name} does not match its manifest; make it again"):
        read_artifact(artifact, "toy", remedy="make it again")


def test_a_missing_file_is_named(artifact):
    (artifact / "golden.json").unlink()
    with pytest.raises(ModelBroken, match=r"golden\.json cannot be read .*; make it again"):
        read_artifact(artifact, remedy="make it again")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"kind": "other"}', b"x" * (4 * 2**20 + 1)]
)
def test_a_damaged_manifest_is_one_sentence(artifact, content):
    (artifact / "manifest.json").write_bytes(content)
    with pytest.raises(ModelBroken, match=r"cannot be used .*; make it again"):
        read_manifest(artifact, "toy", remedy="make it again")


@pytest.mark.parametrize("sums", [None, [], {"../secret": "0"}, {"a/b": "0"}, {"": "0"}, {"/etc/passwd": "0"}])
def test_checksums_name_files_of_the_folder_only(artifact, sums):
    (artifact / "manifest.json").write_text(json.dumps({"kind": "toy", "sha256": sums}))
    with pytest.raises(ModelBroken, match="lists no checksums"):
        read_artifact(artifact, "toy", remedy="make it again")


def test_a_folder_without_a_manifest_is_no_artifact(tmp_path):
    assert artifact_kind(tmp_path) == "" and artifact_kind(tmp_path / "nowhere") == ""
    with pytest.raises(NotFound, match=r"no manifest\.json"):
        read_artifact(tmp_path, remedy="")


def test_the_manifest_is_written_last(tmp_path):
    class Torn(dict):
        def items(self):
            yield "first", b"1"
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write_artifact(tmp_path / "a", {"kind": "toy"}, Torn())
    assert artifact_kind(tmp_path / "a") == ""
