"""Nothing served tells where a picture came from: no metadata, no path, no file name of a client."""

import io

from PIL import Image

from tests.pictures import picture
from tests.server.conftest import photo64


def photo_with_metadata() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif[0x9286] = "secret comment"
    exif.get_ifd(0x8825).update({1: "N", 2: (59.0, 19.0, 46.0), 3: "E", 4: (18.0, 4.0, 7.0)})
    file = io.BytesIO()
    picture(70, 200).save(file, "JPEG", exif=exif, comment=b"secret comment")
    return file.getvalue()


def test_no_metadata_no_path_no_file_name_in_anything_served(fresh, shop):
    content = photo_with_metadata()
    assert b"SecretCamera" in content
    put = fresh.post(
        "/v1/products",
        data={"product": '{"id": "cup"}'},
        files={"picture": ("IMG_20260101_at_home.jpg", content)},
    )
    assert put.json()["added"] == 1
    replies = [
        fresh.post("/v1/search", files={"photo": ("IMG_20260101_at_home.jpg", content)}),
        fresh.post("/v1/search", files={"photo": ("at_home.jpg", content[:400])}),
        fresh.get("/v1/products/cup"),
        fresh.get("/v1/info"),
        fresh.get("/v1/products/nobody"),
        fresh.get("/nowhere"),
        fresh.post("/v1/regions", json={"photo": photo64(3)}),
    ]
    product = replies[2].json()["product"]
    copy = fresh.get(product["pictures"][0]["url"])
    replies.append(copy)
    for found in replies:
        for secret in (b"SecretCamera", b"secret comment", b"at_home", str(shop.folder).encode(), b"shop.snap"):
            assert secret not in found.content, found.url
    with Image.open(io.BytesIO(copy.content)) as served:
        assert not served.getexif() and "comment" not in served.info
    kept = [path for path in shop.path.rglob("*") if path.is_file() and path.suffix in {".jpg", ".json", ".db"}]
    assert kept and not any(b"SecretCamera" in path.read_bytes() for path in kept)


def test_an_address_is_not_fetched_unless_the_shop_says_so(fresh):
    found = fresh.post("/v1/search", json={"terms": [{"url": "http://shop.invalid/a.jpg"}]})
    assert found.status_code == 400 and found.json()["error"]["code"] == "picture_url"
    body = {"products": [{"id": "cup", "pictures": [{"name": "a", "url": "http://shop.invalid/a.jpg"}]}]}
    assert fresh.post("/v1/products", json=body).json()["failures"][0]["code"] == "picture_url"
    for path in ("/etc/passwd", "file:///etc/passwd", str(fresh.app.state.service.catalog.folder.path)):
        assert fresh.post("/v1/search", json={"photo": path}).json()["error"]["code"].startswith("picture_")
    assert fresh.get("/..%2f..%2fpyproject.toml").status_code == 404
    assert fresh.get("/%2e%2e/app.py").status_code == 404
