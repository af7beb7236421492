"""Nothing that is served holds a path of the host: absolute names in tables, older catalogs, and errors."""

import csv
import re
from pathlib import Path

import pytest

from snapfind.core.types import Product
from snapfind.server import build
from tests.catalog.conftest import Shop
from tests.pictures import picture
from tests.server.conftest import BASE, Checked, over, photo, photo64


def put_as_older_versions(shop, catalog):
    """Store the products with the names that versions before kept: absolute, as the table has them."""
    products = [Product(row[0], row[1], float(row[2]), row[3], row[4]) for row in shop.rows[1:]]
    files = [{name: Path(name).read_bytes() for name in row[-1].split("|")} for row in shop.rows[1:]]
    assert not catalog.put(list(zip(products, files))).failures


@pytest.fixture(params=["new", "older"])
def absolute(request, tmp_path):
    """A client of a shop whose table names pictures by absolute paths."""
    shop = Shop(tmp_path / "private" / "folder")
    for row in shop.rows[1:]:
        row[-1] = "|".join(str(shop.folder / name) for name in row[-1].split("|"))
    shop.write()
    catalog = shop.open()
    if request.param == "older":
        put_as_older_versions(shop, catalog)
    catalog.add(shop.table)
    with Checked(build(catalog, compat="imagesearch"), base_url=BASE, raise_server_exceptions=False) as client:
        client.shop = shop
        yield client


def facade(client, action, **fields):
    return client.post("/", data=fields, headers={"x-acs-action": action})


def everything(client):
    """A reply of every endpoint that the document has, and of the facade, right and wrong."""
    product = client.get("/v1/products/tea-1").json()["product"]
    name = product["pictures"][0]["name"]
    yield client.post("/v1/search", json={"photo": photo64(0), "explain": True, "regions": "all"})
    yield client.post("/v1/search", json={"photo": str(client.shop.folder / "a.png")})
    yield client.post("/v1/search", json={"text": "tea", "facets": ["category"]})
    yield client.get("/v1/similar?product=tea-1")
    explained = client.post("/v1/explain", json={"photo": photo64(0), "product": "tea-1", "picture": name})
    assert explained.status_code == 200
    yield explained
    yield client.post("/v1/explain", json={"photo": photo64(0), "product": "tea-1", "picture": "no"})
    yield client.post("/v1/compare", json={"a": {"photo": photo64(0)}, "b": {"product": "tea-1"}})
    yield client.post("/v1/models/use", json={"artifact": "none"})
    yield client.post("/v1/events", json={"events": [{"kind": "click", "product": "tea-1"}]})
    yield client.post("/v1/quality/check")
    for path, item in client.app.openapi()["paths"].items():
        if "get" in item:
            yield client.get(re.sub(r"\{product\}", "tea-1", path).replace("{field}", "category"))
    yield facade(client, "SearchImageByPic", PicContent=photo64(0))
    yield facade(client, "SearchImageByName", ProductId="tea-1", PicName=name)
    yield facade(client, "CheckImageExists", ProductId="tea-1", PicName=name)
    yield facade(client, "SearchImageByFilter", Filter="price > 0")
    yield facade(client, "SearchImageByName", ProductId="tea-1", PicName="/etc/passwd")
    yield facade(client, "DeleteImage", ProductId="mug-1")


def jobs_that_fail(client):
    broken = {"table": ("t.csv", b"id,title,picture\nx,Cup,gone.png\ny,Cup,/etc/passwd\nz,Cup,bad.png\n")}
    files = [("table", broken["table"]), ("pictures", ("bad.png", b"no picture"))]
    job = client.post("/v1/imports", files=files).json()["job"]
    over(client, job)
    yield client.get(f"/v1/jobs/{job['id']}")
    yield client.get(f"/v1/jobs/{job['id']}/errors")
    for table in (("t.parquet", b"no parquet"), ("t.json", b"{"), ("t.csv", b"a,b\n1,2\n"), ("t.csv", b"\xff\xfe\x00")):
        job = client.post("/v1/imports", files={"table": table}).json()["job"]
        over(client, job)
    yield client.get("/v1/jobs")


def test_no_reply_holds_a_path_of_the_host(absolute):
    for found in [*everything(absolute), *jobs_that_fail(absolute)]:
        assert found.status_code < 500, (found.request.url, found.text)
        for secret in (str(absolute.shop.folder), "private/folder", "/tmp/", "/root/", "site-packages"):
            assert secret not in found.text, (found.request.method, found.request.url, found.text[:400])


def test_an_error_that_names_the_catalog_names_it_without_its_folder(absolute):
    (absolute.shop.path / "keys.json").write_text("{")
    found = absolute.get("/v1/info")
    assert found.json()["error"]["code"] == "catalog_broken"
    assert str(absolute.shop.folder) not in found.text and "keys.json" in found.text


def test_names_are_below_the_root_and_a_second_run_adds_nothing(absolute):
    catalog = absolute.app.state.service.catalog
    report = catalog.add(absolute.shop.table)
    assert (report.added, report.changed, report.unchanged) == (0, 0, 4)
    served = absolute.get("/v1/products/tea-2").json()["product"]
    assert {one["name"] for one in served["pictures"]} == {"b.png", "b-back.png"}


def test_an_older_name_stays_when_the_picture_changes(tmp_path):
    shop = Shop(tmp_path)
    for row in shop.rows[1:]:
        row[-1] = "|".join(str(shop.folder / name) for name in row[-1].split("|"))
    shop.write()
    with shop.open() as catalog:
        put_as_older_versions(shop, catalog)
        assert catalog.add(shop.table).added == 0
        picture(9).save(shop.folder / "a.png")
        report = catalog.add(shop.table, sync=True)
        assert (report.added, report.changed, report.removed) == (0, 1, 0)
        assert len(catalog.get("tea-1").pictures) == 1


def test_a_table_with_a_root_has_names_below_the_root(tmp_path):
    folder = tmp_path / "pictures" / "cups"
    folder.mkdir(parents=True)
    picture(3).save(folder / "c.png")
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "picture"], ["x", folder / "c.png"]])
    shop = Shop(tmp_path / "shop")
    with shop.open() as catalog:
        catalog.add(tmp_path / "t.csv", root=tmp_path / "pictures")
        assert [one.name for one in catalog.get("x").pictures] == ["cups/c.png"]
        assert catalog.picture("x", "cups/c.png") and photo(3)
