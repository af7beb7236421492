"""Tables and pictures in object storage: a real server of the protocol of S3, read by the workers of a real Ray."""

import csv
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from tests.pictures import picture
from tests.ports import held

ray = pytest.importorskip("ray", reason="needs the extra snapfind[ray]")
moto = pytest.importorskip("moto.server", reason="needs a server of S3's protocol: pip install 'moto[server]'")

pytestmark = [pytest.mark.enable_socket, pytest.mark.filterwarnings("ignore")]  # Ray talks to itself by sockets

from snapfind import distributed  # noqa: E402
from snapfind.core.errors import BadInput, BadPicture, BadRow, NotFound, NotReady  # noqa: E402
from snapfind.distributed.object_store import open_store  # noqa: E402
from snapfind.distributed.sources import open_bulk  # noqa: E402
from snapfind.distributed.storage import store_of  # noqa: E402


class Bucket:
    """A bucket `shop`, on a server that can be stopped and begun again with what it holds."""

    def __init__(self, port):
        self.port, self.url = port, f"http://127.0.0.1:{port}"
        self.begin()
        self.put("")

    def begin(self):
        self.server = moto.ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self.server.start()

    def stop(self):
        self.server.stop()
        self.server = None

    def put(self, key, content=b""):
        httpx.put(f"{self.url}/shop/{key}", content=content).raise_for_status()

    def ask_for_keys(self, after="0"):
        plain = {"Content-Type": "text/plain"}
        httpx.post(f"{self.url}/moto-api/reset-auth", content=after, headers=plain).raise_for_status()


@pytest.fixture
def port():
    with held() as found:
        yield found


@pytest.fixture
def bucket(monkeypatch, port):
    made = Bucket(port)
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    yield made
    if not made.server:
        made.begin()
    made.ask_for_keys(after="inf")
    httpx.post(f"{made.url}/moto-api/reset").raise_for_status()
    made.stop()


@pytest.fixture(scope="module")
def cluster():
    """One for all: a run that finds it leaves it as it was."""
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield "local"
    ray.shutdown()


def as_bytes(number):
    written = io.BytesIO()
    picture(number).save(written, "PNG")
    return written.getvalue()


def as_table(rows):
    written = io.StringIO()
    csv.writer(written).writerows([["id", "title", "picture"], *rows])
    return written.getvalue().encode()


def failures(report):
    return sorted((one.path, one.code) for one in report.failures)


def test_a_folder_of_a_bucket_means_what_a_folder_means(shop, bucket, cluster):
    for number, key in enumerate(["a.png", "b.png", "shoes/red-runner/front.png", "shoes/red-runner/side.png"]):
        bucket.put(f"new/{key}", as_bytes(number))
    for key, content in {"torn.png": b"no picture", "notes.txt": b"!", ".trash/c.png": as_bytes(9)}.items():
        bucket.put(f"new/{key}", content)
    bucket.put("newer/d.png", as_bytes(8))
    with shop.open() as catalog:
        report = distributed.add(catalog, "s3://shop/new", cluster, workers=1)
        assert (report.added, failures(report)) == (4, [("torn.png", "picture_format")])
        assert {product.id for product in catalog.products()} == {"a", "b", "shoes/red-runner"}
        assert catalog.get("shoes/red-runner").category == "shoes"
        assert catalog.search(picture(2))[0].product.id == "shoes/red-runner"
        again = distributed.add(catalog, "s3://shop/new/", cluster, workers=1)
        assert (again.unchanged, again.embedded) == (4, 0)


def test_parquet_and_tar_shards_in_a_bucket(shop, bucket, cluster):
    import pyarrow
    import pyarrow.parquet

    held, shard = io.BytesIO(), io.BytesIO()
    rows = {"id": ["a"], "title": ["Red tea"], "picture": ["a.png"], "bytes": [as_bytes(0)]}
    pyarrow.parquet.write_table(pyarrow.table(rows), held)
    with tarfile.open(fileobj=shard, mode="w") as written:
        for name, content in (("c.png", as_bytes(2)), ("c.json", json.dumps({"id": "c", "title": "Pot"}).encode())):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            written.addfile(entry, io.BytesIO(content))
    bucket.put("in.parquet", held.getvalue())
    bucket.put("shards/0.tar", shard.getvalue())
    with shop.open() as catalog:
        for source in ("s3://shop/in.parquet", "s3://shop/shards"):
            distributed.add(catalog, source, cluster, workers=1)
        assert {product.id: product.title for product in catalog.products()} == {"a": "Red tea", "c": "Pot"}
        assert catalog.search(picture(2))[0].product.id == "c"
    found = open_bulk("s3://shop/in.parquet", {}, None, None, shop.folder)
    bucket.stop()
    with pytest.raises(NotReady, match="no response from"):
        list(found)


def test_a_row_reaches_objects_of_the_root_and_nothing_else(shop, bucket, cluster):
    asked = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    other = HTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    there = f"127.0.0.1:{other.server_port}"
    for number, key in enumerate(["photos/a.png", "photos/b.png", "secret.png"]):
        bucket.put(key, as_bytes(number))
    elsewhere = {
        "../secret.png": "picture_outside",
        "s3://shop/secret.png": "picture_outside",
        "s3://shop/photos/../secret.png": "picture_outside",
        f"s3://key:secret@{there}/photos/a.png": "picture_outside",
        f"http://{there}/photos/a.png": "picture_outside",
        "none.png": "picture_missing",
    }
    rows = [["a", "Red tea", "a.png"], ["b", "Mug", "s3://shop/photos/b.png"]]
    # a query after the name is left out, as in names of files, and never becomes an option of the storage
    rows += [["c", "Cup", f"s3://shop/photos/a.png?endpoint_override=http://{there}"]]
    rows += [[f"bad-{number}", "", name] for number, name in enumerate(elsewhere)]
    (shop.folder / "shop.csv").write_bytes(as_table(rows))
    bucket.put("photos/shop.csv", as_table(rows))
    with shop.open() as catalog:
        for source, root in ((shop.folder / "shop.csv", "s3://shop/photos"), ("s3://shop/photos/shop.csv", None)):
            report = distributed.add(catalog, source, cluster, workers=1, root=root)
            assert failures(report) == sorted(elsewhere.items())
        assert report.unchanged == 3
        titles = {product.id: product.title for product in catalog.products()}
        assert titles == {"a": "Red tea", "b": "Mug", "c": "Cup"}
    other.shutdown()
    other.server_close()
    assert asked == []


def test_a_server_that_goes_in_the_middle_is_one_sentence_and_nothing_is_lost(shop, bucket, cluster):
    for number in range(100):
        bucket.put(f"new/p{number:03}.png", as_bytes(number))

    def stop(done, total):
        if done >= 16 and bucket.server:
            bucket.stop()

    with shop.open() as catalog:
        with pytest.raises(NotReady, match="no response from"):
            distributed.add(catalog, "s3://shop/new", cluster, workers=1, progress=stop)
        stored = len(list(catalog.points()))
        assert 16 <= stored < 100
        bucket.begin()
        report = distributed.add(catalog, "s3://shop/new", cluster, workers=1)
        assert (report.unchanged, report.added, report.failures) == (stored, 100 - stored, [])


def test_what_cannot_be_opened_is_said_before_workers_are_begun(shop, bucket, monkeypatch):
    with shop.open() as catalog:
        for source, problem, words in (
            ("s3://shop/none", NotFound, "does not exist"),
            ("s3://other/new", NotFound, "does not exist"),
            ("s3://key:secret@shop/new", BadInput, "AWS_ACCESS_KEY_ID"),
            ("s3://", BadInput, "s3://BUCKET/FOLDER"),
            ("ftp://shop/new", BadInput, "cannot be read"),
        ):
            with pytest.raises(problem, match=words) as raised:
                distributed.add(catalog, source)
            assert "secret" not in raised.value.message and "\n" not in raised.value.message
        bucket.put("one.png", as_bytes(0))
        with pytest.raises(BadInput, match="a single object"):
            distributed.add(catalog, shop.table, root="s3://shop/one.png")
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        with pytest.raises(NotReady, match=r"no response from http://127\.0\.0\.1:1 with the key"):
            distributed.add(catalog, "s3://shop/new")


def test_wrong_keys_and_none(shop, bucket, monkeypatch):
    bucket.put("new/a.png", as_bytes(0))
    bucket.ask_for_keys()
    with shop.open() as catalog:
        with pytest.raises(BadInput, match="denies access with the key of AWS_ACCESS_KEY_ID"):
            distributed.add(catalog, "s3://shop/new")
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises((BadInput, NotReady), match="no key"):  # this server answers 500 to an unsigned request
            distributed.add(catalog, "s3://shop/new")


def test_an_object_is_read_within_bounds(bucket):
    bucket.put("new/a.png", b"12345")
    store = open_store("s3://shop/new")
    assert store.read(store.key("a.png"), 5) == b"12345"
    with pytest.raises(BadPicture, match="maximum is 4") as raised:
        store.read(store.key("a.png"), 4)
    assert raised.value.code == "picture_too_large"
    with pytest.raises(BadPicture):
        store.read(store.key("odd\0.png"), 5)
    bucket.put("new/m/red%20mug.png", b"123")
    for name in ("/m/red mug.png", "m\\red mug.png", "/m/red%20mug.png"):
        assert store.read(store.key(name), 5) == b"123"
    for name in ("", ".", "..\\newer\\a.png", "/../newer/a.png", "../newer/a.png", "s3://shop/newer/a.png"):
        with pytest.raises(BadRow):
            store.key(name)
    assert store_of("table.csv", "") is None
