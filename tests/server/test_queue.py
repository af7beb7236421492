"""Jobs: imports with progress and an error file, idempotency keys, restarts; snapshots and exports; models."""

import csv
import io
import json
import threading
import zipfile

import pytest

import snapfind
from snapfind.catalog.storage.snapshot import restore
from snapfind.core.errors import Conflict, TooLarge
from snapfind.encoders.adapters.fit import fit
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.server.jobs.queue import Jobs
from snapfind.server.jobs.unzip import unpack
from tests.pictures import picture
from tests.server.conftest import over, photo, photo64, serving
from tests.waiting import PATIENCE, until


def table(*rows) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([["id", "title", "stock", "picture"], *rows])
    return text.getvalue().encode()


def zipped(**files) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, body in files.items():
            archive.writestr(name.replace("__", "/").replace("_png", ".png"), body)
    return content.getvalue()


def start(client, body, pictures=None, name="products.csv", **headers):
    files = {"table": (name, body)} if body is not None else {}
    if pictures is not None:
        files["pictures"] = ("pictures.zip", pictures)
    return client.post("/v1/imports", files=files, headers=headers)


def test_an_import_reports_and_lists_what_failed(fresh):
    body = table(
        ["cup-1", "Cup", 3, "in/a.png"], ["cup-2", "Gone", 1, "gone.png"], ["cup-3", "Out", 1, "../../../x.png"]
    )
    started = start(fresh, body, zipped(in__a_png=photo(50)))
    assert started.status_code == 202
    job = over(fresh, started.json()["job"])
    assert job["state"] == "done" and job["report"]["added"] == 1 and job["report"]["failed"] == 2
    assert job["done"] == job["total"] == 3
    rows = list(csv.DictReader(io.StringIO(fresh.get(f"/v1/jobs/{job['id']}/errors").text)))
    assert {row["id"]: row["code"] for row in rows} == {"cup-2": "picture_missing", "cup-3": "picture_outside"}
    assert (
        fresh.post("/v1/search", json={"photo": photo64(50), "limit": 1}).json()["hits"][0]["product"]["id"] == "cup-1"
    )
    assert fresh.get("/v1/jobs").json()["jobs"][0]["id"] == job["id"]


def test_a_table_may_have_column_names_of_its_own(fresh):
    files = {"table": ("export.csv", b"Handle,Bild\nmug-7,a.png\n"), "pictures": ("a.png", photo(51))}
    sent = fresh.post("/v1/imports", files=files, data={"column": ["id=Handle", "picture=Bild"]})
    assert over(fresh, sent.json()["job"])["report"]["added"] == 1
    files = {"table": ("export.csv", b"Handle,Bild\nmug-7,a.png\n")}
    assert fresh.post("/v1/imports", files=files, data={"column": "Handle"}).status_code == 400


def test_the_same_idempotency_key_gives_the_same_job(fresh):
    body, pictures = table(["cup-1", "Cup", 3, "a.png"]), zipped(a_png=photo(50))
    first = start(fresh, body, pictures, **{"idempotency-key": "monday"}).json()["job"]
    again = start(fresh, body, pictures, **{"idempotency-key": "monday"}).json()["job"]
    assert first["id"] == again["id"]
    other = start(fresh, table(["cup-1", "Mug", 3, "a.png"]), pictures, **{"idempotency-key": "monday"})
    assert other.status_code == 409 and other.json()["error"]["code"] == "conflict"
    assert over(fresh, first)["state"] == "done"
    assert len(fresh.get("/v1/jobs").json()["jobs"]) == 1


def test_pictures_alone_and_json_lines(fresh):
    job = over(
        fresh, start(fresh, None, zipped(sofas__red__1_png=photo(51), sofas__red__2_png=photo(52))).json()["job"]
    )
    assert job["report"]["added"] == 2
    assert fresh.get("/v1/products/sofas/red").json()["product"]["category"] == "sofas"
    line = json.dumps({"id": "line-1", "picture": ["b.png"]}).encode()
    job = over(fresh, start(fresh, line, zipped(b_png=photo(53)), name="x.jsonl").json()["job"])
    assert job["report"]["added"] == 1


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({}, "request_bad"),
        ({"table": ("x.exe", b"x")}, "request_bad"),
        ({"table": ("x.csv", b"id,picture\n"), "pictures": ("x.tar", b"x")}, "request_bad"),
        ({"pictures": ("../../x.sh", b"x")}, "request_bad"),
    ],
)
def test_what_is_no_import_is_refused_at_once(client, files, code):
    found = client.post("/v1/imports", files=files or {"other": ("a", b"b")})
    assert found.json()["error"]["code"] == code
    assert not any(client.app.state.service.jobs._folder.glob("*/input"))


def test_an_import_that_cannot_be_read_fails_as_a_job(client):
    job = over(client, start(client, b"name,color\nx,y\n").json()["job"])
    assert job["state"] == "failed" and job["error"]["code"] == "bad_input"
    job = over(client, start(client, table(["a", "b", 1, "x.png"]), b"no zip").json()["job"])
    assert job["state"] == "failed" and "zip" in job["error"]["message"]
    assert client.get(f"/v1/jobs/{job['id']}/errors").status_code == 404
    assert client.delete(f"/v1/jobs/{job['id']}").json()["error"]["code"] == "conflict"
    assert client.get("/v1/jobs/" + "0" * 18).status_code == 404


def test_an_import_goes_on_after_a_restart(shop):
    rows = [[f"cup-{number}", "Cup", number, f"{number}.png"] for number in range(60)]
    pictures = io.BytesIO()
    with zipfile.ZipFile(pictures, "w") as archive:
        for number in range(60):
            archive.writestr(f"{number}.png", photo(100 + number))
    with serving(shop) as client:
        wait_half_way_for_the_stop(client.app.state.service)
        job = start(client, table(*rows), pictures.getvalue()).json()["job"]
        until(lambda: client.get(f"/v1/jobs/{job['id']}").json()["job"]["done"] >= 16, "some are stored")
    with serving(shop) as client:
        job = over(client, job)
        assert job["state"] == "done" and job["report"]["failed"] == 0
        assert 16 <= job["report"]["unchanged"] < 60
        assert job["report"]["unchanged"] + job["report"]["added"] == 60
        assert client.get("/v1/info").json()["products"] == 63


def wait_half_way_for_the_stop(service):
    """However fast the machine is: an import that has stored some pictures goes on when the server is being stopped."""
    add = service.catalog.add

    def adding(*given, progress, **options):
        def told(done, total):
            progress(done, total)
            if done >= 16:
                service.stopping.wait(PATIENCE)

        return add(*given, progress=told, **options)

    service.catalog.add = adding


def test_a_job_can_be_cancelled_and_a_folder_without_a_job_is_deleted(tmp_path):
    cancelled, steps = threading.Event(), []

    def slow(job, place, progress):
        progress(0, 2)
        cancelled.wait(PATIENCE)
        steps.append("before")
        progress(1, 2)
        steps.append("after")
        return {}

    jobs = Jobs(tmp_path / "jobs", {"slow": slow})
    left = jobs.create_folder()
    jobs.start()
    assert not left.exists()
    job = jobs.submit(jobs.create_folder(), "slow", {}, key="a", digest="1")
    with pytest.raises(Conflict):
        jobs.submit(jobs.create_folder(), "slow", {}, key="a", digest="2")
    until(lambda: jobs.get(job.id).state == "running", "the job has begun")
    jobs.cancel(job.id)
    cancelled.set()
    until(lambda: jobs.get(job.id).is_finished, "the job is over")
    assert jobs.get(job.id).state == "cancelled" and steps == ["before"]
    jobs.close()


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "a/../../x.png", "..\\x.png", "c:x.png"])
def test_an_entry_that_leads_outside_is_left_out(tmp_path, name):
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(name, b"x")
        opened.writestr("good.png", b"y")
    found = unpack(archive, tmp_path / "in", max_bytes=100, max_file_bytes=100)
    assert (found.count, [failure.code for failure in found.failures]) == (1, ["picture_outside"])
    assert sorted(path.name for path in tmp_path.rglob("*.png")) == ["good.png"]


def test_an_archive_is_bounded_links_and_other_files_are_left_out(tmp_path):
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("zeros.png", b"\0" * 1000)
        opened.writestr("script.sh", b"x")
        opened.writestr(".hidden.png", b"x")
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        opened.writestr(link, "/etc/passwd")
    found = unpack(archive, tmp_path / "at", max_bytes=1000, max_file_bytes=1000)
    assert found.count == 1 and "1 .sh" in found.notes[0]
    assert [path.name for path in (tmp_path / "at").iterdir()] == ["zeros.png"]
    with pytest.raises(TooLarge):
        unpack(archive, tmp_path / "above", max_bytes=999, max_file_bytes=1000)
    found = unpack(archive, tmp_path / "each", max_bytes=1000, max_file_bytes=10)
    assert [failure.code for failure in found.failures] == ["picture_too_large", "picture_outside"]
    assert list(tmp_path.glob("each/*")) == []


def test_a_snapshot_of_a_running_server_can_be_restored(fresh, tmp_path):
    fresh.post("/v1/events", json={"events": [{"kind": "click", "product": "tea-1"}]})
    job = over(fresh, fresh.post("/v1/snapshots").json()["job"])
    assert job["state"] == "done", job
    file = tmp_path / "copy.tar"
    file.write_bytes(fresh.get(f"/v1/jobs/{job['id']}/file").content)
    restore(file, tmp_path / "restored.snap")
    with snapfind.open(tmp_path / "restored.snap", create=False) as again:
        assert len(again) == 3 and again.search(picture(3))[0].product.id == "mug-1"
        assert again.events.counts()["click"] == 1
        assert not (tmp_path / "restored.snap" / "jobs").exists()


def test_an_export_is_a_table_that_add_reads(fresh):
    job = over(fresh, fresh.post("/v1/exports", json={"filter": "category = 'tea'"}).json()["job"])
    assert job["report"]["rows"] == 3
    rows = [json.loads(line) for line in fresh.get(f"/v1/jobs/{job['id']}/file").text.splitlines()]
    assert {row["id"] for row in rows} == {"tea-1", "tea-2"}


def test_models_are_fitted_switched_and_rolled_back(fresh):
    before = fresh.get("/v1/models").json()
    assert len(before["models"]) == 1 and before["previous"] == ""
    assert fresh.post("/v1/models/rollback").status_code == 404
    job = over(fresh, fresh.post("/v1/models/fit").json()["job"])
    assert job["state"] == "done", job
    after = fresh.get("/v1/models").json()
    assert after["active"] == job["report"]["model"] and after["previous"] == before["active"]
    assert fresh.post("/v1/search", json={"photo": photo64(3)}).json()["space"] == after["active"]
    kept = over(fresh, fresh.post("/v1/models/fit", json={"stored_photos": True}).json()["job"])
    assert kept["state"] == "failed" and "keep_photos" in str(kept), kept
    assert fresh.post("/v1/models/rollback").json()["active"] == before["active"]
    assert fresh.post("/v1/models/switch", json={"model": after["active"]}).json()["active"] == after["active"]
    assert fresh.post("/v1/models/switch", json={"model": "x"}).status_code == 404
    assert over(fresh, fresh.post("/v1/models/build", json={"encoder": "none"}).json()["job"])["state"] == "failed"
    assert fresh.post("/v1/models/build", json={"encoder": "../x"}).status_code == 422


def test_a_model_of_the_servers_folder_is_used_by_its_name_and_nothing_outside_of_it(shop, tmp_path):
    models, outside = tmp_path / "models", tmp_path / "outside"
    with serving(shop, models=str(models)) as client:
        adapter = fit([picture(number) for number in range(3)], Builtin.load(), views=4)
        for folder in (models / "mine", outside):
            adapter.save(folder)
        (models / "link").symlink_to(outside)
        before = client.get("/v1/models").json()["active"]
        for name, status in (("link", 404), ("none", 404), ("..", 422), ("../outside", 422), ("/etc", 422)):
            assert client.post("/v1/models/use", json={"artifact": name}).status_code == status, name
        job = over(client, client.post("/v1/models/use", json={"artifact": "mine"}).json()["job"])
        assert job["state"] == "done" and job["kind"] == "use", job
        after = client.get("/v1/models").json()
        assert (after["active"], after["previous"]) == (job["report"]["model"], before)
    with serving(shop) as client:
        told = client.post("/v1/models/use", json={"artifact": "mine"})
        assert told.status_code == 404 and "SNAPFIND_MODELS" in told.json()["error"]["message"]
