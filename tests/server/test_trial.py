"""A model on trial over HTTP: one interleaved list, a log of both answers, photos kept where asked."""

from tests.second_model import second_model
from tests.server.conftest import photo64


def test_a_trial_answers_interleaved_and_ends(served, tmp_path):
    client = served(keep_photos=1)
    catalog = client.app.state.service.catalog
    raw = catalog.info()["model"]
    catalog.models.switch(second_model(catalog, tmp_path / "artifact"))
    assert client.post("/v1/models/trial", json={"model": "no such"}).status_code == 404
    assert client.post("/v1/models/trial", json={"model": raw, "share": 1}).json()["trial"]["model"] == raw
    found = client.post("/v1/search", json={"photo": photo64(0), "session": "anna"}).json()
    (tried,) = catalog.trial_log
    assert tried.search == found["request_id"] and len(tried.active) == len(tried.other) == 3
    assert list(tried.shown) == [hit["product"]["id"] for hit in found["hits"]] and set(tried.teams) == {"a", "b"}
    assert catalog.query_photos.find(found["request_id"]) is not None
    client.post("/v1/search", json={"photo": photo64(0), "text": "tea"})
    assert len(list(catalog.trial_log)) == 1 and len(list(catalog.query_photos)) == 1  # with words it is no trial
    assert client.delete("/v1/models", params={"model": raw}).status_code == 400
    # its search is an event that is written a moment later: forgetting must not be faster than remembering
    client.post("/v1/search", json={"photo": photo64(1), "session": "anna"})
    assert client.delete("/v1/events", params={"session": "anna"}).json()["deleted"] == 2
    assert list(catalog.query_photos) == []
    assert client.post("/v1/models/trial", json={"model": None}).json()["trial"] is None
    gone = client.delete("/v1/models", params={"model": raw}).json()
    assert [one["id"] for one in gone["models"]] == [gone["active"]] and gone["previous"] == ""
    assert client.post("/v1/search", json={"photo": photo64(0)}).json()["hits"]


def test_no_photo_is_kept_unless_asked_and_no_trial_is_concluded_before_it_began(served):
    client = served()
    assert client.post("/v1/search", json={"photo": photo64(0)}).status_code == 200
    assert list(client.app.state.service.catalog.query_photos) == []
    assert client.get("/v1/flywheel").json()["runs"] == []
    assert client.post("/v1/flywheel/conclude", json={}).status_code == 404
