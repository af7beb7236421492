"""Adding by the workers of a real local Ray: every product once, whatever dies; Parquet and tar shards."""

import io
import json
import os
import signal
import tarfile
from contextlib import suppress

import pytest

from tests.pictures import picture, save

ray = pytest.importorskip("ray", reason="needs the extra snapfind[ray]")

pytestmark = [pytest.mark.enable_socket, pytest.mark.filterwarnings("ignore")]  # Ray talks to itself by sockets

from snapfind import bulk  # noqa: E402
from snapfind.bulk.crew import Crew  # noqa: E402
from snapfind.bulk.worker import Worker, recipe_of  # noqa: E402


class Mortal(Worker):
    """Dies of the pictures named so, as a decoder may."""

    def pid(self):
        return os.getpid()

    def see(self, tasks):
        if any(task.item.picture == "deadly.png" for task in tasks):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().see(tasks)


def files(folder, count):
    for number in range(count):
        save(number, folder / f"p{number:03}.png")
    return folder


def ids(catalogue):
    return sorted(point.payload["_picture"] for point in catalogue.points())


def test_a_worker_killed_in_the_middle_loses_nothing_and_doubles_nothing(shop, monkeypatch):
    folder = files(shop.folder / "many", 60)
    (folder / "broken.png").write_bytes(b"no picture")
    save(99, folder / "deadly.png")
    crews = []
    begun = Crew.__init__

    def begin(crew, *given, **options):
        monkeypatch.setattr("snapfind.bulk.crew.Worker", Mortal)
        begun(crew, *given, **options)
        crews.append(crew)

    monkeypatch.setattr(Crew, "__init__", begin)
    killed = []

    def kill(done, total):
        if done >= 16 and not killed:
            for worker in crews[0].workers:
                with suppress(ray.exceptions.RayActorError):  # of what deadly.png did to it
                    killed.append(ray.get(worker.pid.remote()))
                    os.kill(killed[0], signal.SIGKILL)
                    return

    with shop.open() as catalogue:
        report = bulk.add(catalogue, folder, workers=2, progress=kill)
        expected = [f"p{number:03}.png" for number in range(60)]
        assert killed and ids(catalogue) == expected and report.added == 60
        assert {(one.path, one.code) for one in report.failures} == {
            ("broken.png", "picture_format"), ("deadly.png", "picture_poison")
        }  # fmt: skip
        again = catalogue.add(folder)
        assert again.unchanged == 60 and again.added == 1  # what killed the workers is a picture to this process
        assert catalogue.search(picture(7))[0].product.id == "p007"


def as_bytes(number):
    written = io.BytesIO()
    picture(number).save(written, "PNG")
    return written.getvalue()


def test_parquet_with_pictures_inside_and_tar_shards(shop):
    import pyarrow
    import pyarrow.parquet

    table = {
        "id": ["a", "b"],
        "title": ["Red tea", "Mug"],
        "picture": ["a.png", "b.png"],
        "bytes": [as_bytes(0), as_bytes(1)],
    }
    pyarrow.parquet.write_table(pyarrow.table(table), shop.folder / "in.parquet")
    (shop.folder / "shards").mkdir()
    with tarfile.open(shop.folder / "shards" / "0.tar", "w") as shard:
        told = json.dumps({"id": "c", "title": "Pot", "price": 3}).encode()
        for name, content in (("x.png", as_bytes(2)), ("x.json", told), ("y.png", as_bytes(3))):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            shard.addfile(entry, io.BytesIO(content))
    with shop.open() as catalogue:
        assert bulk.add(catalogue, shop.folder / "in.parquet", workers=1).added == 2
        assert bulk.add(catalogue, shop.folder / "shards", workers=1).added == 2
        assert {product.id for product in catalogue.products()} == {"a", "b", "c", "y"}
        assert catalogue.get("c").price == 3 and catalogue.get("a").title == "Red tea"
        assert catalogue.search(picture(2))[0].product.id == "c"


def test_the_recipe_makes_the_encoders_that_the_catalogue_has(shop):
    with shop.open() as catalogue:
        worker = Worker(recipe_of(catalogue.folder, catalogue.model, catalogue.settings))
        assert worker._model.spaces() == catalogue.model.spaces()
