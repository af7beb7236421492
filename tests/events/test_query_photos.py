"""Photos that a shop chose to keep: small, without metadata, gone when they should be."""

import os
import time

from PIL import Image

from snapfind.events.event import Event
from snapfind.events.query_photos import QueryPhotoStore
from tests.catalog.conftest import Shop
from tests.pictures import picture


def test_a_photo_is_kept_small_and_without_metadata(tmp_path):
    kept = QueryPhotoStore(tmp_path)
    photo = picture(1).resize((900, 600))
    photo.info["comment"] = b"Anna's kitchen"
    kept.keep("0123456789abcdef", photo)
    path = kept.find("0123456789abcdef")
    with Image.open(path) as found:
        assert max(found.size) <= 384 and not found.getexif()
    assert b"Anna" not in path.read_bytes()
    assert kept.find("ffffffffffffffff") is None and list(kept) == [path]


def test_an_id_cannot_lead_out_of_the_folder(tmp_path):
    kept = QueryPhotoStore(tmp_path / "asked")
    for id in ("../../etc/passwd", "", "a/b", "x" * 65, ".."):
        kept.keep(id, picture(1))
        assert kept.find(id) is None
    assert list(tmp_path.rglob("*.jpg")) == []


def test_old_photos_and_those_of_a_forgotten_session_go(tmp_path):
    with Shop(tmp_path).open() as catalog:
        old_and_forgotten(catalog)


def old_and_forgotten(catalog):
    catalog.events.write([Event("search", search=f"search-{n}", session="anna" if n else "bert") for n in range(3)])
    for number in range(3):
        catalog.query_photos.keep(f"search-{number}", picture(number))
    assert catalog.forget("anna") == 2
    assert [path.stem for path in catalog.query_photos] == ["search-0"]
    assert catalog.forget("") == 0
    old = time.time() - 400 * 86_400
    os.utime(catalog.query_photos.find("search-0"), (old, old))
    catalog.prune()
    assert list(catalog.query_photos) == []
