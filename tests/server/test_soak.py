"""The same work for long: memory, open files and threads of a serving process do not grow."""

import signal
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.server.conftest import photo64
from tests.server.test_kill import Serving

pytestmark = [
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


def usage(pid):
    """Resident MB, threads, open files."""
    told = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(told["VmRSS"].split()[0]) >> 10, int(told["Threads"]), len(list(Path(f"/proc/{pid}/fd").iterdir()))


def work(url, end, seed):
    """Searches, writes, broken pictures and events, until the time is over."""
    step = 0
    with httpx.Client(base_url=url, timeout=60) as client:
        while time.monotonic() < end:
            step += 1
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


def soak(shop, warm, seconds, clients=4):
    """What the process used after warming up, and after so many seconds more."""
    with shop.open() as catalogue:
        catalogue.add(shop.table)
    server, used = Serving(shop), []
    for span in (warm, seconds):
        end = time.monotonic() + span
        threads = [threading.Thread(target=work, args=(server.url, end, seed)) for seed in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        used.append(usage(server.process.pid))
    assert server.end(signal.SIGTERM) in (0, -signal.SIGTERM)
    return used


def test_a_short_soak(shop):
    (memory, threads, files), (memory_after, threads_after, files_after) = soak(shop, 4, 4)
    assert memory_after - memory < 60
    assert threads_after <= threads + 2 and files_after <= files + 6


@pytest.mark.slow
def test_half_an_hour(shop):
    (memory, threads, files), (memory_after, threads_after, files_after) = soak(shop, 60, 1800)
    assert memory_after - memory < 60
    assert threads_after <= threads and files_after <= files + 4
