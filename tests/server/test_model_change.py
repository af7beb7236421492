"""Over HTTP, while the model is switched and rolled back, every reply is the answer of one model."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from snapfind.server import build
from tests.second_model import second_model
from tests.server.conftest import BASE, Checked, photo64

ASKED = [{"photo": photo64(number)} for number in (3, 5)]
ASKED += [{"terms": [{"photo": photo64(5)}, {"text": "mug"}]}]


@pytest.fixture
def two(shop):
    """A client of a shop with two models; the names of both."""
    catalog = shop.open(workers=4)
    catalog.add(shop.table)
    names = [catalog.info()["model"], second_model(catalog, shop.folder / "artifact")]
    with Checked(build(catalog), base_url=BASE) as client:
        yield client, names


def asked(client, number):
    found = client.post("/v1/search", json=ASKED[number]).json()
    return found["space"], [(hit["product"]["id"], round(hit["score"], 6)) for hit in found["hits"]]


def test_no_reply_is_of_two_models(two):
    client, names = two
    expected = {}
    for name in (*names[1:], names[0]):
        assert client.post("/v1/models/switch", json={"model": name}).status_code == 200
        expected |= {(name, number): asked(client, number)[1] for number in range(len(ASKED))}
    assert all(expected[names[0], number] != expected[names[1], number] for number in range(len(ASKED))), expected
    stop, replies = threading.Event(), []

    def ask(number):
        while not stop.is_set():
            number = (number + 1) % len(ASKED)
            replies.append((number, *asked(client, number)))

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask, number) for number in range(3)]
        try:
            for _ in range(2):
                assert client.post("/v1/models/switch", json={"model": names[1]}).json()["active"] == names[1]
                assert client.post("/v1/models/rollback").json()["active"] == names[0]
            assert client.delete("/v1/models", params={"model": names[1]}).status_code == 200
        finally:
            stop.set()
        for one in asking:
            one.result()
    assert {space for _, space, _ in replies} == set(names)
    wrong = [(number, space) for number, space, hits in replies if hits != expected[space, number]]
    assert not wrong, f"{len(wrong)} of {len(replies)} replies are no model's answer"
