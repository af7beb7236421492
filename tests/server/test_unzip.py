"""One odd entry of a zip is left out and listed; the others are imported."""

import csv
import io
import struct
import zipfile
import zlib

import pytest

from snapfind.server.jobs.unzip import unpack
from tests.server.conftest import over, photo

GOOD = photo(60)


def archive(*entries):
    """A zip; an entry is a name and bytes, or a ZipInfo and bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as opened:
        for name, body in entries:
            entry = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo("x")
            if not isinstance(name, zipfile.ZipInfo):
                entry.filename = name
            opened.writestr(entry, body)
    return content.getvalue()


def unpacked(tmp_path, content, max_file_bytes=10**6):
    (tmp_path / "x.zip").write_bytes(content)
    found = unpack(tmp_path / "x.zip", tmp_path / "in", max_bytes=10**7, max_file_bytes=max_file_bytes)
    files = sorted(
        path.relative_to(tmp_path / "in").as_posix() for path in (tmp_path / "in").rglob("*") if path.is_file()
    )
    return files, [(one.path, one.code) for one in found.failures], found.notes


def link():
    entry = zipfile.ZipInfo("link.png")
    entry.external_attr = 0o120777 << 16
    return entry


def encrypted(content):
    """The flag of encryption set at every entry of that name."""
    at = content.index(b"locked.png") - 24
    content = content[:at] + bytes([content[at] | 1]) + content[at + 1 :]
    central = content.rindex(b"locked.png") - 38
    return content[:central] + bytes([content[central] | 1]) + content[central + 1 :]


def with_method(content, name, method):
    """Another number of compression for an entry."""
    for place in (content.index(name) - 22, content.rindex(name) - 36):
        content = content[:place] + struct.pack("<H", method) + content[place + 2 :]
    return content


@pytest.mark.parametrize(
    ("content", "failed"),
    [
        (archive(("good.png", GOOD), ("../x.png", GOOD)), ("../x.png", "picture_outside")),
        (archive(("/etc/x.png", GOOD), ("good.png", GOOD)), ("/etc/x.png", "picture_outside")),
        (archive(("C:\\x.png", GOOD), ("good.png", GOOD)), ("C:/x.png", "picture_outside")),
        (archive(("in\\..\\..\\x.png", GOOD), ("good.png", GOOD)), ("in/../../x.png", "picture_outside")),
        (archive((link(), b"/etc/passwd"), ("good.png", GOOD)), ("link.png", "picture_outside")),
        (archive(("large.png", GOOD * 99), ("good.png", GOOD)), ("large.png", "picture_too_large")),
        (archive((f"{'n' * 300}.png", GOOD), ("good.png", GOOD)), ("n" * 200, "picture_broken")),
        (encrypted(archive(("locked.png", GOOD), ("good.png", GOOD))), ("locked.png", "picture_broken")),
        (with_method(archive(("odd.png", GOOD), ("good.png", GOOD)), b"odd.png", 97), ("odd.png", "picture_broken")),
        (
            archive(("sum.png", GOOD), ("good.png", GOOD)).replace(GOOD, GOOD[:-1] + b"\0", 1),
            ("sum.png", "picture_broken"),
        ),
        (archive(("good.png", GOOD), ("good.png/x.png", GOOD)), ("good.png/x.png", "picture_broken")),
    ],
)
def test_an_odd_entry_is_left_out_and_the_rest_is_there(tmp_path, content, failed):
    files, failures, _ = unpacked(tmp_path, content, max_file_bytes=2 * len(GOOD))
    assert files == ["good.png"]
    assert failures == [failed]
    assert not (tmp_path / "x.png").exists()


def test_names_of_windows_and_of_old_programs(tmp_path):
    unicode_path = zipfile.ZipInfo("gr?n.png")
    name = "gr\u00fcn.png".encode()
    unicode_path.extra = struct.pack("<HHBL", 0x7075, 5 + len(name), 1, zlib.crc32(b"gr?n.png")) + name
    content = archive(("img\\b.png", GOOD), ("\u8336.png", GOOD), (unicode_path, GOOD), ("aaaa.png", GOOD))
    content = content.replace(b"aaaa.png", "b\u00e5a.png".encode())  # UTF-8 without the flag that says so
    files, failures, _ = unpacked(tmp_path, content)
    assert (files, failures) == (["b\u00e5a.png", "gr\u00fcn.png", "img/b.png", "\u8336.png"], [])


def test_pictures_are_told_by_content_and_the_rest_is_counted(tmp_path):
    files, failures, notes = unpacked(
        tmp_path,
        archive(
            ("a.jfif", photo(61, "JPEG")),
            ("b", GOOD),
            ("c.txt", b"x"),
            ("d.txt", b"BM"),
            ("@eaDir/e.png", GOOD),
            ("__MACOSX/._f.png", GOOD),
            ("Thumbs.db", b"x"),
            ("in/", b""),
        ),
    )
    assert (files, failures) == (["a.jfif", "b"], [])
    assert notes == ("ignored, because they are not pictures: 2 .txt",)


@pytest.mark.parametrize("with_table", [True, False])
def test_an_import_lists_the_entries_that_were_left_out(fresh, with_table):
    content = archive(("img\\cup.png", GOOD), ("../../evil.png", GOOD), ("note.txt", b"x"))
    files = {"pictures": ("p.zip", content)}
    if with_table:
        files["table"] = ("t.csv", b"id,picture,size\ncup,img\\cup.png,38\n")
    sent = fresh.post(
        "/v1/imports", files=files, data={"sync": "true", "column": "size:text"} if with_table else {"sync": "true"}
    )
    job = over(fresh, sent.json()["job"])
    assert (job["state"], job["report"]["added"], job["report"]["failed"]) == ("done", 1, 1)
    assert "1 .txt" in " ".join(job["report"]["notes"])
    (row,) = csv.DictReader(io.StringIO(fresh.get(f"/v1/jobs/{job['id']}/errors").text))
    assert row["code"] == "picture_outside" and "evil" in row["path"]
    # what is left out could be any product of a folder, so none of these is removed
    assert fresh.get("/v1/info").json()["products"] == (1 if with_table else 4)
    if with_table:
        assert fresh.get("/v1/products/cup").json()["product"]["attributes"] == {"size": "38"}


@pytest.mark.parametrize("name", ["t.csv.gz", "t.txt", "t.jsonl"])
def test_an_import_takes_every_form_of_a_table(fresh, name):
    import gzip

    body = b"id,picture\ncup,cup.jfif\n" if "json" not in name else b'[{"id": "cup", "picture": "cup.jfif"}]'
    files = {
        "table": (name, gzip.compress(body) if name.endswith("gz") else body),
        "pictures": ("cup.jfif", photo(61, "JPEG")),
    }
    job = over(fresh, fresh.post("/v1/imports", files=files).json()["job"])
    assert (job["state"], job["report"]["added"]) == ("done", 1), job


def test_a_change_cannot_reach_built_in_fields_by_attributes(fresh):
    found = fresh.patch("/v1/products/tea-1", json={"attributes": {"price": "call us"}})
    assert found.status_code == 422 or found.status_code == 400
    assert "price" in found.json()["error"]["message"]
    assert fresh.get("/v1/products/tea-1").json()["product"]["price"] == 4.5


def test_a_put_keeps_a_product_whose_value_does_not_fit(fresh):
    found = fresh.post(
        "/v1/products", json={"products": [{"id": "tea-1", "title": "Tea", "attributes": {"stock": "XL"}}]}
    )
    assert found.json()["failures"] == [] and "'XL'" in found.json()["notes"][0]
    assert fresh.get("/v1/products/tea-1").json()["product"]["title"] == "Tea"
