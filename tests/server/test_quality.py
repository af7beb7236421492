"""Quality: a survey as a job, findings with fixes and undo, and zero-result queries."""

import shutil

import pytest

import snapfind
from snapfind.curation.survey import survey_catalog
from snapfind.events.event import Event
from snapfind.server import build
from tests.curation.conftest import stocked  # noqa: F401
from tests.server.conftest import BASE, Checked, over


@pytest.fixture(scope="module")
def surveyed(stocked, tmp_path_factory):  # noqa: F811
    """A catalog with a survey."""
    path = tmp_path_factory.mktemp("quality") / "shop.snap"
    shutil.copytree(stocked, path)
    with snapfind.open(path) as shop:
        survey_catalog(shop)
    return path


@pytest.fixture
def client(surveyed, tmp_path):
    shutil.copytree(surveyed, tmp_path / "shop.snap")
    with Checked(build(snapfind.open(tmp_path / "shop.snap")), base_url=BASE) as asked:
        yield asked


def finding(client, kind):
    return next(one for one in client.get("/v1/quality").json()["findings"] if one["kind"] == kind)


def test_a_catalog_without_a_survey(fresh):
    found = fresh.get("/v1/quality").json()
    assert found["survey"] is None and found["findings"] == [] and found["zero_results"]["searches"] == 0


def test_findings_have_pictures_and_a_fix_that_is_applied_and_undone(client):
    found = client.get("/v1/quality").json()
    assert found["survey"]["products"] == 25 and found["survey"]["counts"]["wrong category"] == 1
    wrong = finding(client, "wrong category")
    assert wrong["fix"] == "set the category to blue" and client.get(wrong["pictures"][0]["url"]).status_code == 200
    done = client.post(f"/v1/quality/{wrong['id']}/apply").json()
    assert done["finding"]["applied"] and client.get("/v1/products/blue-3").json()["product"]["category"] == "blue"
    now = client.get("/v1/quality").json()
    assert [one["id"] for one in now["applied"]] == [wrong["id"]]
    assert wrong["id"] not in [one["id"] for one in now["findings"]]
    again = client.post(f"/v1/quality/{wrong['id']}/apply")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    assert client.post(f"/v1/quality/{wrong['id']}/undo").json()["finding"]["applied"] is None
    assert client.get("/v1/products/blue-3").json()["product"]["category"] == "red"


def test_a_finding_is_dismissed_and_restored(client):
    one = finding(client, "wrong category")
    assert client.post(f"/v1/quality/{one['id']}/dismiss").json()["message"].startswith("dismissed")
    found = client.get("/v1/quality").json()
    assert one["id"] not in [each["id"] for each in found["findings"] + found["applied"]]
    assert "wrong category" not in found["survey"]["counts"]
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


def test_a_survey_is_a_job(client):
    wrong = finding(client, "wrong category")["id"]
    job = client.post("/v1/quality/check").json()["job"]
    assert job["kind"] == "curate"
    job = over(client, job)
    assert job["state"] == "done" and job["report"]["wrong category"] == 1, job
    assert finding(client, "wrong category")["id"] == wrong


def test_zero_result_queries_are_counted(client):
    catalog = client.app.state.service.catalog
    missed = [Event("search", verdict="none", text=text) for text in ("soap", "soap", "tea", "")]
    switches = [Event("category_switch", category="red", before=before) for before in ("blue", "blue", "")]
    catalog.events.write([*missed, *switches, Event("search", verdict="match", text="red thing")])
    statistics = client.get("/v1/quality").json()["zero_results"]
    assert (statistics["searches"], statistics["without_match"]) == (5, 4)
    assert statistics["texts"] == [{"text": "soap", "count": 2}, {"text": "tea", "count": 1}]
    assert statistics["switches"][0] == {"before": "blue", "after": "red", "count": 2}


def test_it_needs_the_scope_admin(surveyed, tmp_path):
    shutil.copytree(surveyed, tmp_path / "shop.snap")
    shop = snapfind.open(tmp_path / "shop.snap")
    with Checked(build(shop, needs_key=True), base_url=BASE) as asked:
        _, told = asked.app.state.service.keys.create("search only", ["search"])
        assert asked.get("/v1/quality").status_code == 401
        assert asked.get("/v1/quality", headers={"authorization": f"Bearer {told}"}).status_code == 403
