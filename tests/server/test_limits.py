"""Every limit, at it and one above; and what happens when more come than can be served."""

import asyncio
import threading

import httpx
import pytest

from snapfind.core.errors import Busy, NotReady, TimedOut
from snapfind.server.runtime.queue import BoundedQueue
from snapfind.server.runtime.trace import Trace
from tests.catalog.conftest import Shop
from tests.server.conftest import photo, photo64, serving
from tests.waiting import PATIENCE


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    with serving(
        Shop(tmp_path_factory.mktemp("small")),
        max_terms=3, max_products=2, max_pictures=2, max_events=2, max_limit=3, limit=3, max_text=20, max_depth=4,
        max_body=20_000, max_json=1500, max_bytes=5000, max_side=100, max_pixels=9500,
    ) as client:  # fmt: skip
        yield client


FILTER, REQUEST = (400, "filter_bad"), (422, "request_bad")
LONG = {"text": "a", "filter": "title = '" + "a" * (4096 - 10) + "'"}
LONGER = {"text": "a", "filter": "title = '" + "a" * (4097 - 10) + "'"}


def status(found):
    return found.status_code, found.json().get("error", {}).get("code")


def click(number):
    return {"kind": "click", "product": f"p{number}"}


@pytest.mark.parametrize(
    ("path", "at", "above", "refused"),
    [
        ("/v1/search", {"terms": [{"text": "tea"}] * 3}, {"terms": [{"text": "tea"}] * 4}, (413, "too_large")),
        ("/v1/search", {"text": "t" * 20}, {"text": "t" * 21}, (400, "query_bad")),
        ("/v1/search", {"text": "a", "limit": 3}, {"text": "a", "limit": 4}, (400, "query_bad")),
        ("/v1/search", LONG, LONGER, FILTER),
        ("/v1/search", {"text": "a", "session": "s" * 200}, {"text": "a", "session": "s" * 201}, REQUEST),
        ("/v1/events", {"events": [click(1), click(2)]}, {"events": [click(1)] * 3}, (413, "too_large")),
        ("/v1/products", {"products": [{"id": "tea-1"}] * 2}, {"products": [{"id": "tea-1"}] * 3}, (413, "too_large")),
        ("/v1/products", {"products": [{"id": "i" * 256}]}, {"products": [{"id": "i" * 257}]}, REQUEST),
    ],
)  # fmt: skip
def test_at_the_limit_and_one_above(small, path, at, above, refused):
    assert small.post(path, json=at).status_code == 200
    assert status(small.post(path, json=above)) == refused


def test_pictures_of_one_product(small):
    def put(count):
        pictures = [{"name": str(number), "content": photo64(40 + number)} for number in range(count)]
        return small.post("/v1/products", json={"products": [{"id": "many", "pictures": pictures}]})

    assert put(2).json()["added"] == 2
    assert status(put(3)) == (413, "too_large")


def test_bytes_pixels_and_sides_of_a_photo(small):
    from tests.media.pictures import png_of, scene, written

    def search(content):
        return small.post("/v1/search", files={"photo": ("x", content)})

    assert search(written(scene(100, 90), "PNG")).status_code == 200
    for large in (written(scene(101, 50), "PNG"), written(scene(97, 98), "PNG"), png_of(50_000, 50_000)):
        assert status(search(large)) == (400, "picture_too_large")
    assert search(photo(1) + b"\0" * (5000 - len(photo(1)))).status_code == 200
    assert status(search(photo(1) + b"\0" * (5001 - len(photo(1))))) == (400, "picture_too_large")


def test_bytes_of_a_body(small):
    def search(size):
        body = b'{"text": "tea"' + b" " * (size - 15) + b"}"
        return small.post("/v1/search", content=body, headers={"content-type": "application/json"})

    assert search(20_000).status_code == 200
    assert status(search(20_001)) == (413, "body_too_large")

    def events(size):
        body = b'{"events": [{"kind": "click", "product": "a"}]' + b" " * (size - 47) + b"}"
        return small.post("/v1/events", content=body, headers={"content-type": "application/json"})

    assert events(1500).status_code == 200
    assert status(events(1501)) == (413, "body_too_large")


def test_a_body_of_unknown_length_is_cut_at_the_limit(small):
    def endless():
        for _ in range(100):
            yield b" " * 1000

    for path in ("/v1/events", "/v1/search"):
        found = small.post(path, content=endless(), headers={"content-type": "application/json"})
        assert status(found) == (413, "body_too_large")


def test_depth_of_paging(small):
    first = small.post("/v1/search", json={"text": "tea mug", "limit": 2}).json()
    assert first["next"]
    rest = small.post("/v1/search", json={"text": "tea mug", "limit": 3, "cursor": first["next"]})
    assert rest.status_code == 200 and rest.json()["next"] is None


def test_more_requests_than_the_queue_holds_get_429_and_the_others_an_answer(served):
    client = served(workers=1, queue=2, log_searches=0)
    release = threading.Event()
    service = client.app.state.service
    usual = service.photo
    service.photo = lambda *given: (release.wait(PATIENCE), usual(*given))[1]  # a decoder that waits

    async def ask():
        transport = httpx.ASGITransport(app=client.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as many:
            asked = [
                asyncio.create_task(many.post("/v1/search", json={"photo": photo64(number)})) for number in range(8)
            ]
            while sum(task.done() for task in asked) < 5:
                await asyncio.sleep(0.01)
            release.set()
            return await asyncio.gather(*asked)

    found = asyncio.run(ask())
    statuses = sorted(answer.status_code for answer in found)
    assert statuses == [200] * 3 + [429] * 5
    for answer in found:
        if answer.status_code == 429:
            assert answer.json()["error"]["code"] == "busy" and int(answer.headers["retry-after"]) >= 1
    assert service.reading.inside == 0


def test_a_search_beyond_the_time_limit_gets_504_and_the_server_goes_on(served):
    client, release = served(timeout=60, log_searches=0), threading.Event()
    service = client.app.state.service
    usual, enough = service.photo, service.reading.timeout
    assert enough == 60
    service.photo, service.reading.timeout = lambda *given: (release.wait(PATIENCE), usual(*given))[1], 0.2
    assert status(client.post("/v1/search", json={"photo": photo64(0)})) == (504, "timed_out")
    service.photo, service.reading.timeout = usual, enough
    assert client.get("/v1/facets/category").status_code == 200  # while the other one still runs
    release.set()


async def taken(gate, count):
    while gate.inside < count:
        await asyncio.sleep(0.001)


def test_a_gate_finishes_what_it_took_and_takes_nothing_more():
    gate, done, release = BoundedQueue("test", 1, 5, PATIENCE), [], threading.Event()

    async def run():
        slow = [
            asyncio.create_task(gate.run(Trace("x"), lambda: (release.wait(PATIENCE), done.append(1))))
            for _ in range(3)
        ]
        await taken(gate, 3)
        closing = asyncio.create_task(asyncio.to_thread(gate.close))
        release.set()
        await closing
        with pytest.raises(NotReady):
            await gate.run(Trace("x"), lambda: None)
        await asyncio.gather(*slow)

    asyncio.run(run())
    assert len(done) == 3 and gate.inside == 0


def test_a_gate_says_busy_and_timed_out():
    async def run():
        gate, release = BoundedQueue("test", 1, 0, 0.05), threading.Event()
        slow = asyncio.create_task(gate.run(Trace("x"), lambda: release.wait(PATIENCE)))
        await taken(gate, 1)
        with pytest.raises(Busy):
            await gate.run(Trace("x"), lambda: None)
        with pytest.raises(TimedOut):
            await slow
        release.set()
        await asyncio.to_thread(gate.close)

    asyncio.run(run())


def test_too_many_connections_are_told_to_come_back(served):
    client = served(connections=1)
    client.app.state.service.inside = 1
    assert status(client.get("/v1/info")) == (429, "busy")
    assert client.get("/healthz").status_code == 200  # a probe must not find it dead because it is busy
    client.app.state.service.inside = 0
    assert client.get("/v1/info").status_code == 200
