"""The same work again and again: memory, open files and threads of a serving process do not grow."""

import signal
import sys
import threading
from pathlib import Path

import httpx
import pytest

from tests.served import Served
from tests.server.conftest import photo64

pytestmark = [
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


def usage(pid):
    """Resident MB, threads, open files."""
    told = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(told["VmRSS"].split()[0]) >> 10, int(told["Threads"]), len(list(Path(f"/proc/{pid}/fd").iterdir()))


def work(url, steps, seed):
    """So many searches, writes, broken pictures and events."""
    with httpx.Client(base_url=url, timeout=60) as client:
        for step in range(steps):
            match step % 6:
                case 0:
                    pictures = [{"name": "a", "content": photo64(step % 9)}]
                    body = {"products": [{"id": f"s{seed}", "price": step, "pictures": pictures}]}
                    found = client.post("/v1/products", json=body)
                case 1:
                    found = client.post("/v1/search", json={"photo": "aGVsbG8="})
                case 2:
                    found = client.post("/v1/events", json={"events": [{"kind": "click", "product": "a"}]})
                case _:
                    found = client.post("/v1/search", json={"photo": photo64(step % 9)})
            assert found.status_code < 500, found.text


def soak(shop, warm, steps, clients=4):
    """What the process used after warming up by so many steps of each client, and after so many more."""
    with shop.open() as catalog:
        catalog.add(shop.table)
    server, used = Served(shop.path), []
    for count in (warm, steps):
        threads = [threading.Thread(target=work, args=(server.url, count, seed)) for seed in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        used.append(usage(server.process.pid))
    assert server.end() in (0, -signal.SIGTERM)
    return used


def check(used, lag):
    """`lag`: what pools that fill on demand, and connections just closed, may have more of than after warming up."""
    (memory, threads, files), (memory_after, threads_after, files_after) = used
    assert memory_after - memory < 60
    assert threads_after <= threads + lag and files_after <= files + lag


def test_a_short_soak(shop):
    check(soak(shop, 40, 80), 20)  # a thread or a file left by each step of one kind would be 53 more


@pytest.mark.slow
def test_a_long_soak(shop):
    check(soak(shop, 500, 25_000), 20)
