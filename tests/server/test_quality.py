"""Quality: a look as a job, findings with their mends and the way back, and what shoppers did not find."""

import shutil

import pytest

import snapfind
from snapfind.curation.survey import survey
from snapfind.events.event import Event
from snapfind.server import build
from tests.curation.conftest import stocked  # noqa: F401
from tests.server.conftest import BASE, Checked, over


@pytest.fixture(scope="module")
def looked(stocked, tmp_path_factory):  # noqa: F811
    """A catalog that was looked at."""
    path = tmp_path_factory.mktemp("quality") / "shop.snap"
    shutil.copytree(stocked, path)
    with snapfind.open(path) as shop:
        survey(shop)
    return path


@pytest.fixture
def client(looked, tmp_path):
    shutil.copytree(looked, tmp_path / "shop.snap")
    with Checked(build(snapfind.open(tmp_path / "shop.snap")), base_url=BASE) as asked:
        yield asked


def finding(client, kind):
    return next(one for one in client.get("/v1/quality").json()["findings"] if one["kind"] == kind)


def test_a_catalog_nobody_looked_at_says_so(fresh):
    found = fresh.get("/v1/quality").json()
    assert found["look"] is None and found["findings"] == [] and found["unmet"]["searches"] == 0


def test_findings_have_pictures_and_a_mend_that_is_done_and_undone(client):
    found = client.get("/v1/quality").json()
    assert found["look"]["products"] == 25 and found["look"]["counts"]["wrong category"] == 1
    wrong = finding(client, "wrong category")
    assert wrong["mend"] == "set the category to blue" and client.get(wrong["pictures"][0]["url"]).status_code == 200
    done = client.post(f"/v1/quality/{wrong['id']}/apply").json()
    assert done["finding"]["applied"] and client.get("/v1/products/blue-3").json()["product"]["category"] == "blue"
    now = client.get("/v1/quality").json()
    assert [one["id"] for one in now["applied"]] == [wrong["id"]]
    assert wrong["id"] not in [one["id"] for one in now["findings"]]
    again = client.post(f"/v1/quality/{wrong['id']}/apply")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    assert client.post(f"/v1/quality/{wrong['id']}/undo").json()["finding"]["applied"] is None
    assert client.get("/v1/products/blue-3").json()["product"]["category"] == "red"


def test_a_finding_is_dismissed_and_shown_again(client):
    one = finding(client, "wrong category")
    assert client.post(f"/v1/quality/{one['id']}/dismiss").json()["said"].startswith("dismissed")
    found = client.get("/v1/quality").json()
    assert one["id"] not in [each["id"] for each in found["findings"] + found["applied"]]
    assert "wrong category" not in found["look"]["counts"]
    assert client.post(f"/v1/quality/{one['id']}/dismiss").status_code == 409
    assert client.post("/v1/quality/0123456789ab/dismiss").status_code == 404
    assert client.post(f"/v1/quality/{one['id']}/dismiss", params={"restore": True}).status_code == 200
    assert finding(client, "wrong category")["id"] == one["id"]


def test_a_hidden_picture_is_in_no_answer_and_comes_back(client):
    same = finding(client, "same file")
    extra = next(one for one in same["pictures"] if one["changes"])
    client.post(f"/v1/quality/{same['id']}/apply")
    assert len(client.get("/v1/products/red-5").json()["product"]["pictures"]) == 1
    assert client.get(extra["url"]).status_code == 200  # the page shows what can be undone
    client.post(f"/v1/quality/{same['id']}/undo")
    assert len(client.get("/v1/products/red-5").json()["product"]["pictures"]) == 2


def test_errors(client):
    assert client.post("/v1/quality/0a1b2c3d4e5f/apply").status_code == 404
    assert client.post("/v1/quality/0a1b2c3d4e5f/undo").status_code == 404
    assert client.post("/v1/quality/x/apply").status_code == 422
    assert client.get("/v1/quality?limit=0").status_code == 422
    assert len(client.get("/v1/quality?limit=1").json()["findings"]) == len(
        {one["kind"] for one in client.get("/v1/quality").json()["findings"]}
    )


def test_a_look_is_a_job(client):
    wrong = finding(client, "wrong category")["id"]
    job = client.post("/v1/quality/look").json()["job"]
    assert job["kind"] == "curate"
    job = over(client, job)
    assert job["state"] == "done" and job["report"]["wrong category"] == 1, job
    assert finding(client, "wrong category")["id"] == wrong


def test_what_shoppers_did_not_find_is_counted(client):
    catalog = client.app.state.service.catalog
    missed = [Event("search", verdict="none", text=text) for text in ("soap", "soap", "tea", "")]
    switches = [Event("category_switch", category="red", before=before) for before in ("blue", "blue", "")]
    catalog.events.write([*missed, *switches, Event("search", verdict="match", text="red thing")])
    zero_result_statistics = client.get("/v1/quality").json()["unmet"]
    assert (zero_result_statistics["searches"], zero_result_statistics["without_match"]) == (5, 4)
    assert zero_result_statistics["texts"] == [{"text": "soap", "count": 2}, {"text": "tea", "count": 1}]
    assert zero_result_statistics["switches"][0] == {"before": "blue", "after": "red", "count": 2}


def test_it_needs_the_scope_admin(looked, tmp_path):
    shutil.copytree(looked, tmp_path / "shop.snap")
    shop = snapfind.open(tmp_path / "shop.snap")
    with Checked(build(shop, needs_key=True), base_url=BASE) as asked:
        _, told = asked.app.state.service.keys.create("search only", ["search"])
        assert asked.get("/v1/quality").status_code == 401
        assert asked.get("/v1/quality", headers={"authorization": f"Bearer {told}"}).status_code == 403
