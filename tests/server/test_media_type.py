"""A media type from outside the package over HTTP: JSON, an archive, the answer, and the client."""

import base64
import io
import zipfile

import pytest

import snapfind
from snapfind.media import handlers
from snapfind.media.handlers import register_media_handler
from snapfind.server import build
from tests.catalog.conftest import Shop
from tests.media.flip import FlipHandler, flip
from tests.pictures import picture
from tests.server.conftest import over, photo64
from tests.server.test_client import listening

BOOK = flip([(0, 1.5, picture(31)), (1.5, 4, picture(32))])


@pytest.fixture(autouse=True)
def flip_files(monkeypatch):
    monkeypatch.setattr(handlers, "_HANDLERS", list(handlers._HANDLERS))
    register_media_handler(FlipHandler())


def found(client, number):
    """The picture of the first hit of a photo search."""
    reply = client.post("/v1/search", json={"terms": [{"photo": photo64(number)}]}).json()
    return reply["hits"][0]["picture"]


def test_a_file_in_a_json_product_is_read_by_its_suffix(fresh):
    files = [{"name": "walk.flip", "content": base64.b64encode(BOOK).decode()}]
    reply = fresh.post("/v1/products", json={"products": [{"id": "boots", "pictures": files}]}).json()
    assert (reply["added"], reply["failures"]) == (1, [])
    frame = found(fresh, 32)
    assert (frame["name"], frame["kind"], frame["ordinal"], frame["start"], frame["end"]) == (
        *("walk.flip", "flip", 1),
        *(1.5, 4),
    )
    first, second = (fresh.get(found(fresh, number)["url"]) for number in (31, 32))
    assert first.headers["content-type"] == "image/jpeg" and first.content != second.content
    image = found(fresh, 0)
    assert (image["kind"], image["ordinal"], image["start"], image["end"]) == ("image", 0, None, None)


def test_a_file_in_an_archive_is_imported(fresh):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("boots/walk.flip", BOOK)
        file.writestr("notes.doc", b"no media")
    sent = fresh.post("/v1/imports", files={"pictures": ("shop.zip", archive.getvalue())})
    job = over(fresh, sent.json()["job"])
    assert (job["state"], job["report"]["added"], job["report"]["failed"]) == ("done", 1, 0)
    assert "1 .doc" in " ".join(job["report"]["notes"])
    assert found(fresh, 32)["start"] == 1.5


def test_a_damaged_file_is_reported(fresh):
    files = [{"name": "walk.flip", "content": base64.b64encode(BOOK[:-40]).decode()}]
    reply = fresh.post("/v1/products", json={"products": [{"id": "boots", "pictures": files}]}).json()
    assert [failure["code"] for failure in reply["failures"]] == ["picture_broken"]


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_the_client_sends_such_a_file_and_gives_its_times(tmp_path):
    shop = Shop(tmp_path)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "walk.flip").write_bytes(BOOK)
    with listening(build(shop.open())) as url, snapfind.Client(url) as client:
        assert client.add(tmp_path / "more").added == 1
        hit = client.search(picture(32))[0].picture
        assert (hit.kind, hit.ordinal, hit.start, hit.end) == ("flip", 1, 1.5, 4)
        assert client.picture("walk", "walk.flip", 1) != client.picture("walk", "walk.flip")
