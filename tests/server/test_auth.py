"""Keys: who may do what, how much, and what a running server does when one is revoked."""

import json
import stat

import pytest

from snapfind.core.errors import BadInput, Busy, KeyMissing, NotFound
from snapfind.server.keys import KeyStore
from snapfind.server.runtime.rate_limit import RateLimiter


@pytest.fixture
def keyed(served, shop):
    client = served(needs_key=True)
    store = KeyStore(shop.path)
    return client, {scope: store.create(scope, [scope])[1] for scope in ("search", "write", "admin")}


def bearer(key):
    return {"authorization": f"Bearer {key}"}


def test_each_scope_holds_those_before_it(keyed):
    client, keys = keyed
    asks = {
        "search": lambda headers: client.get("/v1/info", headers=headers),
        "write": lambda headers: client.patch("/v1/products/tea-1", json={"price": 3}, headers=headers),
        "admin": lambda headers: client.get("/v1/events/counts", headers=headers),
    }
    order = list(asks)
    for needed, ask in asks.items():
        for scope, key in keys.items():
            found = ask(bearer(key))
            assert found.status_code == (200 if order.index(scope) >= order.index(needed) else 403), (needed, scope)
            if found.status_code == 403:
                assert found.json()["error"]["code"] == "scope_missing"
        missing = ask({})
        assert missing.status_code == 401 and missing.headers["www-authenticate"].startswith("Bearer")
        assert missing.json()["error"]["code"] == "key_missing"
    assert client.get("/metrics", headers=bearer(keys["search"])).status_code == 403
    assert client.get("/metrics", headers=bearer(keys["admin"])).status_code == 200
    for open_to_all in ("/healthz", "/readyz", "/", "/openapi.json", "/v1/errors"):
        assert client.get(open_to_all).status_code == 200


@pytest.mark.parametrize("wrong", ["", "x", "sf_", "sf_00000000_abc", "sf_00000000_" + "a" * 43, "ключ", "a" * 9000])
def test_a_wrong_key_is_refused(keyed, wrong):
    client, _ = keyed
    found = client.get("/v1/info", headers={"authorization": b"Bearer " + wrong.encode()})
    assert found.status_code == 401


def test_the_secret_of_one_key_under_the_id_of_another_is_refused(keyed):
    client, keys = keyed
    mixed = "_".join([*keys["admin"].split("_")[:2], keys["search"].split("_", 2)[2]])
    assert client.get("/v1/info", headers=bearer(mixed)).json()["error"]["code"] == "key_unknown"


def test_a_revoked_key_is_refused_at_once_by_a_running_server(keyed, shop):
    client, keys = keyed
    assert client.get("/v1/info", headers=bearer(keys["search"])).status_code == 200
    KeyStore(shop.path).revoke(keys["search"].split("_")[1])
    assert client.get("/v1/info", headers=bearer(keys["search"])).status_code == 401


def test_without_keys_all_is_open_and_with_one_nothing_is(served, shop):
    client = served()
    assert client.get("/v1/events/counts").status_code == 200
    KeyStore(shop.path).create("first", ["search"])
    assert client.get("/v1/info").status_code == 401


def test_keys_are_kept_as_hashes_for_the_owner_only(tmp_path):
    store = KeyStore(tmp_path)
    key, whole = store.create("page", ["search"])
    kept = store.path.read_text()
    assert whole not in kept and whole.split("_", 2)[2] not in kept and key.sha256 in kept
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert store.check(whole) == key
    with pytest.raises(KeyMissing):
        store.check(whole[:-1])
    with pytest.raises(NotFound):
        store.revoke("nobody")
    with pytest.raises(BadInput):
        store.create("x", ["root"])


@pytest.mark.parametrize("rate", [1, 6, 20])
def test_exactly_as_many_requests_of_a_key_pass_as_the_rate_says(served, shop, rate):
    client = served(rate=rate, concurrency=0)
    store = KeyStore(shop.path)
    first, second = (bearer(store.create(name, ["search"])[1]) for name in "ab")
    asked = [client.get("/v1/info", headers=first) for _ in range(rate + 3)]
    assert [found.status_code for found in asked] == [200] * rate + [429] * 3
    refused = asked[-1]
    assert 1 <= int(refused.headers["retry-after"]) <= 60 and refused.json()["error"]["code"] == "rate_limited"
    assert f"{rate} requests per minute" in refused.json()["error"]["message"]
    assert client.get("/v1/info", headers=second).status_code == 200


def test_the_meter_slides_over_a_minute_and_counts_what_runs():
    now = [0.0]
    meter = RateLimiter(rate=3, concurrency=2, clock=lambda: now[0])
    with meter.one("a"), meter.one("a"):
        with pytest.raises(Busy), meter.one("a"):
            pass
        with meter.one("b"):
            pass
    now[0] = 20
    with meter.one("a"):
        pass
    with pytest.raises(Busy) as refused, meter.one("a"):
        pass
    assert refused.value.retry_after == 40
    now[0] = 60  # both of the first second are over, that of second 20 still counts
    for _ in range(2):
        with meter.one("a"):
            pass
    with pytest.raises(Busy), meter.one("a"):
        pass


def test_a_caller_is_told_what_the_key_may_do(keyed, served, shop):
    client, keys = keyed
    may = {scope: client.get("/v1/info", headers=bearer(key)).json()["scopes"] for scope, key in keys.items()}
    assert may == {"search": ["search"], "write": ["search", "write"], "admin": ["search", "write", "admin"]}


def test_without_keys_everyone_may_do_everything(served):
    assert served().get("/v1/info").json()["scopes"] == ["search", "write", "admin"]


def test_a_broken_key_file_lets_nobody_in(served, shop):
    client = served()
    KeyStore(shop.path).path.write_text(json.dumps({"keys": [{"id": 1}]}))
    assert client.get("/v1/info").json()["error"]["code"] == "catalog_broken"
