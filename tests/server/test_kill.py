"""kill -9 of a serving process in the middle of writes and searches: every write with a 2xx is there afterwards."""

import random
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest

import snapfind
from tests.server.conftest import photo64

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


class Serving:
    """`snapfind serve` as a process of its own, on a free port."""

    def __init__(self, shop):
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from snapfind.cli import main; main()", "serve", str(shop.path), "--port", "0"],
            stderr=subprocess.PIPE,
            text=True,
        )
        said = self.process.stderr.readline()
        self.url = said.split(" at ")[-1].strip()
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if httpx.get(self.url + "/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError("not ready")

    def end(self, signal_):
        self.process.send_signal(signal_)
        code = self.process.wait(60)
        self.process.stderr.close()
        return code


def write_until_it_dies(url, acknowledged, seed):
    """Puts, changes and deletes of products of its own; what was answered with 2xx is noted."""
    rng, step = random.Random(seed), 0
    with httpx.Client(base_url=url, timeout=30) as client:
        while True:
            step += 1
            name = f"w{seed}-{rng.randrange(6)}"
            known = acknowledged.get(name)
            try:
                if known is None or rng.random() < 0.4:
                    body = {"id": name, "price": step, "pictures": [{"name": "a", "content": photo64(80 + step % 9)}]}
                    acknowledged[name] = ("?", known)
                    found = client.post("/v1/products", json={"products": [body]})
                    done = float(step)
                elif rng.random() < 0.7:
                    acknowledged[name] = ("?", known)
                    found = client.patch(f"/v1/products/{name}", json={"price": step + 0.5})
                    done = step + 0.5
                else:
                    acknowledged[name] = ("?", known)
                    found = client.delete(f"/v1/products/{name}")
                    done = None
            except httpx.TransportError:
                return
            if found.status_code == 200:
                acknowledged[name] = done
            else:
                acknowledged[name] = known


def search_until_it_dies(url):
    with httpx.Client(base_url=url, timeout=30) as client:
        try:
            while True:
                assert client.post("/v1/search", json={"photo": photo64(3)}).status_code in (200, 429)
        except httpx.TransportError:
            return


def check(shop, acknowledged):
    with snapfind.open(shop.path) as catalogue:
        there = {product.id: product.price for product in catalogue.products()}
        for name, price in acknowledged.items():
            if isinstance(price, tuple):  # in flight when it died: the old state or the new one
                continue
            assert there.get(name) == price, name
        assert {"mug-1", "tea-1", "tea-2"} <= set(there)


def kill_once(shop, acknowledged, seconds):
    server = Serving(shop)
    threads = [
        threading.Thread(target=write_until_it_dies, args=(server.url, acknowledged, seed)) for seed in (1, 2)
    ] + [threading.Thread(target=search_until_it_dies, args=(server.url,))]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    server.end(signal.SIGKILL)
    for thread in threads:
        thread.join()
    check(shop, acknowledged)
    for name, price in list(acknowledged.items()):
        if isinstance(price, tuple):
            acknowledged.pop(name)


def test_every_acknowledged_write_is_there_after_a_kill(shop):
    with shop.open() as catalogue:
        catalogue.add(shop.table)
    acknowledged = {}
    for seconds in (1.5, 1.0):
        kill_once(shop, acknowledged, seconds)
    assert acknowledged


@pytest.mark.slow
def test_every_acknowledged_write_is_there_after_many_kills(shop):
    with shop.open() as catalogue:
        catalogue.add(shop.table)
    acknowledged, rng = {}, random.Random(5)
    for _ in range(40):
        kill_once(shop, acknowledged, rng.uniform(0.2, 2))


def test_a_stop_finishes_what_was_taken(shop):
    with shop.open() as catalogue:
        catalogue.add(shop.table)
    server, statuses = Serving(shop), []

    def ask():
        with httpx.Client(base_url=server.url, timeout=30) as client:
            for number in range(100):
                try:
                    statuses.append(client.post("/v1/search", json={"photo": photo64(number % 9)}).status_code)
                except httpx.ConnectError:
                    return  # no new connection is taken
                except httpx.TransportError as error:
                    statuses.append(repr(error))
                    return

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    assert server.end(signal.SIGTERM) in (0, -signal.SIGTERM)
    for thread in threads:
        thread.join()
    # an idle connection may be closed in the moment in which its next request is sent; nothing else may go wrong
    cut = ("RemoteProtocolError", "ReadError", "WriteError")
    others = [status for status in map(str, statuses) if status not in {"200", "503"} and not status.startswith(cut)]
    assert 200 in statuses and not others
    assert shop.path.exists() and not (shop.path / "owner").exists()
