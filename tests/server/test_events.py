"""Events over HTTP, and the searches that the server notes by itself."""

import pytest

from tests.server.conftest import photo64, serving


def test_a_search_is_noted_without_its_photo(shop):
    with serving(shop) as client:
        found = client.post("/v1/search", json={"photo": photo64(3), "session": "anna", "filter": "price > 1"}).json()
        client.post("/v1/search", json={"text": "green tea"})
    with shop.open() as catalog:  # a server that stops has written all that it noted
        seen, typed = catalog.events.read(kind="search")
    assert seen.search == found["request_id"] and seen.photos == 1 and seen.filter == "price > 1"
    assert seen.results == tuple(hit["product"]["id"] for hit in found["hits"]) and seen.space == found["space"]
    assert seen.session not in {"", "anna"} and seen.verdict == found["verdict"]
    assert typed.text == "green tea" and typed.session == ""
    kept = b"".join(path.read_bytes() for path in shop.path.glob("events.db*"))
    assert b"\xff\xd8\xff" not in kept and b"\x89PNG" not in kept and b"127.0.0.1" not in kept


def test_searches_are_not_noted_where_the_shop_says_so(shop):
    with serving(shop, log_searches=0) as client:
        client.post("/v1/search", json={"text": "tea"})
    with shop.open() as catalog:
        assert catalog.events.counts() == {}


def test_events_are_stored_counted_once_and_forgotten(fresh):
    search = fresh.post("/v1/search", json={"photo": photo64(3)}).json()
    common = {"search": search["request_id"], "session": "anna", "space": search["space"]}
    given = [
        {**common, "kind": "impression", "product": "mug-1", "position": 1, "propensity": 0.5},
        {**common, "kind": "click", "product": "mug-1", "position": 1, "id": "click-1"},
        {**common, "kind": "category_switch", "category": "tea", "before": "mugs"},
        {**common, "kind": "box_change", "box": [0, 0, 0.5, 0.5], "before": [0, 0, 1, 1]},
        {**common, "kind": "cart", "product": "mug-1", "quantity": 1},
        {**common, "kind": "purchase", "product": "mug-1", "amount": 12, "at": "2026-11-24T10:00:00+02:00"},
    ]
    assert fresh.post("/v1/events", json={"events": given}).json()["stored"] == 6
    assert fresh.post("/v1/events", json={"events": [given[1]]}).json()["stored"] == 0
    counts = fresh.get("/v1/events/counts").json()["counts"]
    assert counts["click"] == 1 and counts["purchase"] == 1
    assert fresh.delete("/v1/events", params={"session": "anna"}).json()["deleted"] == 6


def test_a_list_with_a_wrong_event_stores_none(fresh):
    given = [{"kind": "click", "product": "a"}, {"kind": "click", "product": "a", "position": 0}]
    assert fresh.post("/v1/events", json={"events": given}).json()["error"]["field"] == "events.1.position"
    assert fresh.get("/v1/events/counts").json()["counts"] == {}


@pytest.mark.parametrize(
    "at",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-14:00",
        "-99999999999999",
        "1e300",
        "10000-01-01T00:00:00Z",
    ],
)
def test_a_date_at_the_end_of_time_is_refused(fresh, at):
    found = fresh.post("/v1/events", json={"events": [{"kind": "click", "product": "tea-1", "at": at}]})
    assert found.status_code in (400, 422) and found.json()["error"]["message"]
    assert fresh.get("/v1/quality?days=3650").status_code == 200
    for days in ("0", "3651", "1e400", "-1", "99999999999999999999"):
        assert fresh.get(f"/v1/quality?days={days}").status_code == 422


@pytest.mark.parametrize(
    "value", ["0001-01-01", "9999-12-31", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)
def test_a_product_and_a_filter_may_have_any_date(fresh, value):
    assert fresh.patch("/v1/products/tea-1", json={"attributes": {"since": value}}).status_code == 200
    for sign in ("=", "<", ">=", "!="):
        found = fresh.get("/v1/products", params={"filter": f"since {sign} {value}"})
        assert found.status_code in (200, 400), found.text
    assert fresh.get("/v1/facets/since").status_code in (200, 400)
