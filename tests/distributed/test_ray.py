"""Adding by the workers of a real local Ray: every product once, whatever dies; Parquet and tar shards."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from contextlib import suppress

import pytest

from tests.pictures import picture, save

ray = pytest.importorskip("ray", reason="needs the extra snapfind[ray]")

pytestmark = [pytest.mark.enable_socket, pytest.mark.filterwarnings("ignore")]  # Ray talks to itself by sockets

from snapfind import distributed  # noqa: E402
from snapfind.core.errors import BadInput, NotFound, NotReady  # noqa: E402
from snapfind.distributed.pool import WorkerPool  # noqa: E402
from snapfind.distributed.worker import Worker, bundle_encoders  # noqa: E402


class Mortal(Worker):
    """Dies of the pictures named so, as a decoder may."""

    def pid(self):
        return os.getpid()

    def encode(self, tasks):
        if any(task.item.picture == "deadly.png" for task in tasks):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(tasks)


def files(folder, count):
    for number in range(count):
        save(number, folder / f"p{number:03}.png")
    return folder


def ids(catalog):
    return sorted(point.payload["_picture"] for point in catalog.points())


def test_a_worker_killed_in_the_middle_loses_nothing_and_doubles_nothing(shop, monkeypatch):
    folder = files(shop.folder / "many", 60)
    (folder / "broken.png").write_bytes(b"no picture")
    save(99, folder / "deadly.png")
    crews = []
    begun = WorkerPool.__init__

    def begin(crew, *given, **options):
        monkeypatch.setattr("snapfind.distributed.pool.Worker", Mortal)
        begun(crew, *given, **options)
        crews.append(crew)

    monkeypatch.setattr(WorkerPool, "__init__", begin)
    killed = []

    def kill(done, total):
        if done >= 16 and not killed:
            for worker in crews[0].workers:
                with suppress(ray.exceptions.RayActorError):  # of what deadly.png did to it
                    killed.append(ray.get(worker.pid.remote()))
                    os.kill(killed[0], signal.SIGKILL)
                    return

    with shop.open() as catalog:
        report = distributed.add(catalog, folder, workers=2, progress=kill)
        expected = [f"p{number:03}.png" for number in range(60)]
        assert killed and ids(catalog) == expected and report.added == 60
        assert {(one.path, one.code) for one in report.failures} == {
            ("broken.png", "picture_format"), ("deadly.png", "picture_poison")
        }  # fmt: skip
        again = catalog.add(folder)
        assert again.unchanged == 60 and again.added == 1  # what killed the workers is a picture to this process
        assert catalog.search(picture(7))[0].product.id == "p007"


def as_bytes(number):
    written = io.BytesIO()
    picture(number).save(written, "PNG")
    return written.getvalue()


RUN = """
import signal, sys, snapfind
from snapfind import distributed

def told(done, total):
    print(done, flush=True)
    if done >= 16:
        signal.pause()  # until the kill, however late it comes

with snapfind.open(sys.argv[1]) as catalog:
    distributed.add(catalog, sys.argv[2], workers=1, progress=told)
"""


def test_a_run_that_was_killed_goes_on_where_it_stopped(shop):
    files(shop.folder / "many", 60)
    with shop.open() as catalog:
        place = catalog.folder.path
    run = subprocess.Popen([sys.executable, "-c", RUN, place, shop.folder / "many"], stdout=subprocess.PIPE, text=True)
    for line in run.stdout:
        if int(line) >= 16:
            run.kill()
    run.wait()
    run.stdout.close()
    with shop.open() as catalog:
        stored = len(ids(catalog))
        assert 16 <= stored < 60
        report = distributed.add(catalog, shop.folder / "many", workers=1)
        assert (report.unchanged, report.added) == (stored, 60 - stored)
        assert ids(catalog) == [f"p{number:03}.png" for number in range(60)]


def test_a_worker_that_cannot_begin_is_no_fault_of_the_pictures(shop, monkeypatch):
    class Unfit(Worker):
        def __init__(self, bundle):
            raise RuntimeError("no memory for the encoders")

    monkeypatch.setattr("snapfind.distributed.pool.Worker", Unfit)
    with shop.open() as catalog, pytest.raises(NotReady, match="no memory for the encoders"):
        distributed.add(catalog, files(shop.folder / "many", 2), workers=1)
    assert not ray.is_initialized()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1"])
def test_an_address_where_nobody_answers_is_said_at_once(shop, address):
    with shop.open() as catalog, pytest.raises(NotReady, match=address):
        distributed.add(catalog, files(shop.folder / "many", 2), address)


def test_what_cannot_be_an_address_or_a_source_is_said_at_once(shop):
    with shop.open() as catalog:
        with pytest.raises(BadInput, match="use local, auto"):
            distributed.add(catalog, files(shop.folder / "many", 2), "cluster")
        with pytest.raises(NotFound, match="neither"):
            distributed.add(catalog, shop.folder / "nowhere")


def test_parquet_with_pictures_inside_and_tar_shards(shop):
    import pyarrow
    import pyarrow.parquet

    table = {
        "id": ["a", "b", "hollow"],
        "title": ["Red tea", "Mug", "Nothing"],
        "picture": ["a.png", "b.png", "c.png"],
        "bytes": [as_bytes(0), as_bytes(1), None],
    }
    pyarrow.parquet.write_table(pyarrow.table(table), shop.folder / "in.parquet")
    (shop.folder / "shards").mkdir()
    with tarfile.open(shop.folder / "shards" / "0.tar", "w") as shard:
        told = json.dumps({"id": "c", "title": "Pot", "price": 3}).encode()
        for name, content in (
            *(("x.png", as_bytes(2)), ("x.json", told), ("y.png", as_bytes(3))),
            *(("z.png", as_bytes(4)), ("z.json", b"{")),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            shard.addfile(entry, io.BytesIO(content))
    with shop.open() as catalog:
        table = distributed.add(catalog, shop.folder / "in.parquet", workers=1)
        assert (table.added, [(one.id, one.code) for one in table.failures]) == (2, [("hollow", "picture_empty")])
        shards = distributed.add(catalog, shop.folder / "shards", workers=1)
        assert (shards.added, [(one.path, one.code) for one in shards.failures]) == (2, [("z.png", "row_bad")])
        (shop.folder / "shards" / "0.tar").write_bytes((shop.folder / "shards" / "0.tar").read_bytes()[:700])
        with pytest.raises(BadInput, match="cannot be read"):
            distributed.add(catalog, shop.folder / "shards", workers=1)
        assert {product.id for product in catalog.products()} == {"a", "b", "c", "y"}
        assert catalog.get("c").price == 3 and catalog.get("a").title == "Red tea"
        assert catalog.search(picture(2))[0].product.id == "c"


def test_shards_and_tables_are_read_as_add_reads_them(shop):
    import pyarrow
    import pyarrow.parquet

    table = {
        "id": [1.0, 2.0],
        "title": ["Shoe", "Boot"],
        "Price": ["5", "Call for price"],
        "price_2": [{"w": 1}, None],
        "size": ["38", "XL"],
        "tags": [["x", None], ["y"]],
        "picture": ["a", "b"],
        "bytes": [as_bytes(0), as_bytes(1)],
    }
    pyarrow.parquet.write_table(pyarrow.table(table), shop.folder / "in.parquet")
    inside = {"id": ["3"], "image": [{"bytes": as_bytes(2), "path": "c.png"}]}
    pyarrow.parquet.write_table(pyarrow.table(inside), shop.folder / "inside.parquet")
    (shop.folder / "shards").mkdir()
    with tarfile.open(shop.folder / "shards" / "0.tar", "w") as shard:
        told = json.dumps({"id": 4.0, "price": "free", "_primary": False, "picture": "x"}).encode()
        for name, content in (("d.jfif", as_bytes(3)), ("d.json", told), ("@eaDir/e.png", as_bytes(4))):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            shard.addfile(entry, io.BytesIO(content))
    with shop.open() as catalog:
        reports = [
            distributed.add(catalog, shop.folder / name, workers=1)
            for name in ("in.parquet", "inside.parquet", "shards")
        ]
        assert [(report.added, report.failures) for report in reports] == [(2, []), (1, []), (1, [])]
        assert "Call for price" in reports[0].notes[0] and "free" in reports[2].notes[0]
        assert {product.id: product.price for product in catalog.products()} == {
            "1": 5, "2": None, "3": None, "4": None,
        }  # fmt: skip
        assert catalog.get("1").attributes == {"price_2": '{"w": 1}', "size": "38", "tags": ("x",)}
        assert catalog.search(picture(3))[0].product.id == "4"


def test_the_bundle_makes_the_encoders_that_the_catalog_has(shop):
    with shop.open() as catalog:
        worker = Worker(bundle_encoders(catalog.folder, catalog.model, catalog.settings))
        assert worker.spaces() == catalog.model.spaces()
