"""A server that answers from a catalog which another process owns: it follows a switch, and changes nothing."""

import csv
import re
import shutil

import httpx
import pytest

import snapfind
from snapfind.core.errors import NotFound, NotReady, ReadOnly
from snapfind.server import build
from tests.catalog.conftest import Shop
from tests.catalog.test_text_to_image import maps_of
from tests.pictures import picture
from tests.second_model import second_model
from tests.served import served
from tests.server.conftest import BASE, Checked, photo64

pytest.importorskip("qdrant_client", reason="needs the extra snapfind[cluster]")

from tests.index.stand_in import StandIn, serving

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """A shop whose index lies on servers, with a second model built beside the first; the state of the servers."""
    shop, state = Shop(tmp_path_factory.mktemp("shop")), StandIn()
    with serving(state) as (host, _):
        with shop.open() as owner:
            owner.add(shop.table)
            owner.migrate(f"qdrant://{host}/shop")
            second_model(owner, shop.folder / "artifact")
        yield shop, state


@pytest.fixture
def owner(moved):
    with moved[0].open() as catalog:
        yield catalog
        catalog.models.switch(next(name for name, told in catalog.info()["models"].items() if not told["adapted"]))


@pytest.fixture
def replica(moved, owner):
    with snapfind.replica(moved[0].path) as opened:
        yield opened


def other(catalog):
    return next(name for name in catalog.info()["models"] if name != catalog.info()["model"])


def alias(state):
    return {one.alias_name: one.collection_name for one in state.client.get_aliases().aliases}["shop"]


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_switch_and_a_rollback_are_followed(moved, owner, replica):
    first, second, collection = owner.info()["model"], other(owner), alias(moved[1])
    before = [hit.product.id for hit in replica.search(picture(0))]
    owner.models.switch(second)
    assert replica.search(picture(0)).space == second and replica.info()["model"] == second
    assert alias(moved[1]) != collection
    owner.models.rollback()
    assert replica.search(picture(0)).space == first and alias(moved[1]) == collection
    assert [hit.product.id for hit in replica.search(picture(0))] == before


def test_what_the_owner_adds_and_learns_is_seen(moved, owner, replica):
    shop = moved[0]
    table = shop.folder / "more.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "title", "color", "picture"], ["pen-1", "A pen", "green", "a.png"]])
    owner.add(table)
    assert [one.id for one in replica.products(filter="color = 'green'")] == ["pen-1"]
    assert replica.search("pen")[0].product.id == "pen-1"
    owner.delete(["pen-1"])
    assert len(replica) == 3
    owner.models.calibrate()
    replica.search(picture(0))
    assert replica.context.calibration == owner.context.calibration


def test_a_change_of_the_bridge_from_texts_to_pictures_is_followed(owner, replica, tmp_path):
    first = replica.info()["text_to_image"]
    name = owner.models.use_text_to_image(maps_of(tmp_path, [picture(number) for number in range(4)]))
    replica.search("tea")
    assert replica.info()["text_to_image"] == replica.model.text_to_image.id == name != first
    owner.models.use_text_to_image(None)
    replica.search("tea")
    assert replica.info()["text_to_image"] == replica.model.text_to_image.id == first


def test_a_search_that_a_drop_caught_is_made_once_more(moved, owner, replica):
    second = other(owner)
    owner.models.switch(second)
    replica.search(picture(0))
    replica.folder.stamp = replica.folder.read_stamp()
    gone = next(name for name in owner.info()["models"] if name != second)
    real, looked = replica._check_manifest, []
    replica._check_manifest = lambda: (
        looked.append(owner.models.switch(gone) or owner.models.delete(second)) if not looked else real()
    )
    try:
        assert replica.search(picture(0)).space == gone
    finally:
        replica._check_manifest = real
        owner.models.adopt(moved[0].folder / "artifact")


def test_a_copy_under_way_goes_on_with_the_model_before(moved, owner, tmp_path):
    copy, first, second = tmp_path / "copy.snap", owner.info()["model"], other(owner)
    shutil.copytree(moved[0].path, copy)
    with snapfind.replica(copy) as behind:
        owner.models.switch(second)
        assert behind.search(picture(0)).space == first  # nothing was copied yet
        shutil.move(copy / "spaces" / second, tmp_path / "late")
        (copy / "manifest.json").write_bytes((moved[0].path / "manifest.json").read_bytes())
        assert behind.search(picture(0)).space == first and behind.search(picture(0)).space == first
        shutil.move(tmp_path / "late", copy / "spaces" / second)
        behind._tried = 0.0
        assert behind.search(picture(0)).space == second


def test_a_copy_that_is_too_old_says_so(moved, owner, tmp_path):
    copy, first, second = tmp_path / "copy.snap", owner.info()["model"], other(owner)
    shutil.copytree(moved[0].path, copy)
    with snapfind.replica(copy) as behind:
        owner.models.switch(second)
        owner.models.delete(first)
        for _ in range(2):
            with pytest.raises(NotReady, match="dropped by the owner of this catalog"):
                behind.search(picture(0))
    owner.models.build("lite0")


def test_an_embedded_index_has_one_owner(tmp_path):
    shop = Shop(tmp_path)
    shop.open().close()
    with pytest.raises(ReadOnly, match="snapfind migrate"):
        snapfind.replica(shop.path)
    with pytest.raises(NotFound, match="is not a catalog"):
        snapfind.replica(tmp_path / "none.snap")


def test_a_replica_has_no_verb_that_writes(replica):
    verbs = ("add", "put", "update", "delete", "fit", "switch", "drop", "migrate", "calibrate", "hide")
    assert not [verb for verb in verbs if hasattr(replica, verb)]
    with pytest.raises(ReadOnly, match="read-only"):
        replica.folder.save(active="x")
    with pytest.raises(ReadOnly, match="SNAPFIND_EVENTS"):
        replica.forget("anna")


@pytest.fixture
def client(replica):
    with Checked(build(replica), base_url=BASE, raise_server_exceptions=False) as opened:
        yield opened


def test_searches_answer_and_every_change_is_refused(moved, client):
    before = files(moved[0].path)
    assert client.post("/v1/search", json={"photo": photo64(0)}).json()["hits"][0]["product"]["id"] == "tea-1"
    assert client.get("/v1/products/tea-1").status_code == 200 and client.get("/v1/models").status_code == 200
    assert client.get("/v1/facets/category").status_code == 200 and client.get("/readyz").status_code == 200
    asked = {"/v1/search", "/v1/regions", "/v1/compare", "/v1/explain"}
    changing = [
        (method, re.sub(r"\{[^}]*\}", "1", path))
        for path, item in client.app.openapi()["paths"].items()
        for method in item
        if method != "get" and path not in asked
    ]
    assert len(changing) > 15
    for method, path in changing:
        body = {"json": {"events": [{"kind": "click", "search": "1", "product": "tea-1"}]}} if "events" in path else {}
        found = client.request(method.upper(), path, **body)
        assert (found.status_code, found.json()["error"]["code"]) == (403, "read_only"), (method, path, found.text)
    assert client.get("/v1/jobs").json()["error"]["code"] == "read_only"
    assert files(moved[0].path) == before


def test_events_go_to_a_database_that_the_replica_may_write(moved, owner, tmp_path):
    shop = snapfind.replica(moved[0].path, events=f"sqlite:///{tmp_path}/events.db")
    with Checked(build(shop), base_url=BASE, raise_server_exceptions=False) as client:
        click = {"kind": "click", "search": "1", "product": "tea-1", "position": 1}
        assert client.post("/v1/events", json={"events": [click]}).json()["stored"] == 1


def test_another_process_follows_a_switch(moved, owner):
    first, second = owner.info()["model"], other(owner)
    with served(moved[0].path, "--read-only") as url, httpx.Client(base_url=url, timeout=60) as client:

        def space():
            return client.post("/v1/search", json={"photo": photo64(0)}).json()["space"]

        spaces = [space()]
        owner.models.switch(second)
        spaces.append(space())
        owner.models.rollback()
        spaces.append(space())
        refused = client.post("/v1/models/rollback")
    assert spaces == [first, second, first]
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "read_only")


def test_two_models_move_back_into_the_folder(moved, owner):
    address, models = owner.folder.manifest.index, list(owner.info()["models"])
    before = {model: [hit.product.id for hit in owner.search(picture(1), model=model)] for model in models}
    back = owner.migrate("folder")
    assert back.compared == back.same and owner.folder.manifest.index == ""
    assert {model: [hit.product.id for hit in owner.search(picture(1), model=model)] for model in models} == before
    again = owner.migrate(address)
    assert again.copied == 0 and set(owner.index.spaces()) >= set(models)
