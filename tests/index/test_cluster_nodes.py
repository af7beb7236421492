"""A node of a cluster stops and comes back while the catalog is searched and written: nothing acknowledged is lost.

On real servers where SNAPFIND_QDRANT_URL is set (deploy/cluster.yaml has the commands); always on a stand-in with three
addresses, which shows that the way around a silent address works, and nothing about Qdrant's replicas.
"""

import os
import subprocess
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from snapfind.core.errors import SnapfindError
from snapfind.index.base import IndexQuery
from snapfind.index.qdrant import cluster
from snapfind.index.qdrant.collection import CollectionLayout
from snapfind.index.qdrant.servers import connect
from tests.index.test_contract import DIM, point
from tests.ports import held
from tests.waiting import until

pytest.importorskip("qdrant_client", reason="needs the extra snapfind[cluster]")

from tests.index.stand_in import StandIn, serving

pytestmark = [
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
]
SERVERS = os.environ.get("SNAPFIND_QDRANT_URL", "")
COMPOSE = f"docker compose -f {Path(__file__).parents[2] / 'deploy' / 'cluster.yaml'}"
STOP = os.environ.get("SNAPFIND_QDRANT_STOP", f"{COMPOSE} kill second")
START = os.environ.get("SNAPFIND_QDRANT_START", f"{COMPOSE} start second")


class RealNodes:
    """The servers of SNAPFIND_QDRANT_URL; a command stops one of them and another starts it."""

    hosts = SERVERS.partition("://")[2].split(",")

    def run(self, traffic):
        time.sleep(5.0)
        traffic.go_on()

    def stop(self):
        subprocess.run(STOP, shell=True, check=True)

    def start(self):
        subprocess.run(START, shell=True, check=True)


class StandInNodes:
    """Three addresses of one state."""

    def __init__(self, stack):
        self._stack, self._state = stack, StandIn()
        self._port = stack.enter_context(held())
        self._first, self._stop = stack.enter_context(serving(self._state, self._port))
        self.hosts = [self._first, *(stack.enter_context(serving(self._state))[0] for _ in range(2))]

    def run(self, traffic):
        traffic.go_on()

    def stop(self):
        self._stop()  # the one that is asked first

    def start(self):
        self._stack.enter_context(serving(self._state, self._port))


@pytest.fixture(params=["stand-in", "servers"])
def nodes(request):
    if request.param == "servers":
        if not SERVERS:
            pytest.skip("SNAPFIND_QDRANT_URL is not set; deploy/cluster.yaml starts three servers")
        yield RealNodes()
        return
    with ExitStack() as stack:
        yield StandInNodes(stack)


class Traffic:
    """One thread that writes products, each again until it is acknowledged, and two that search for what is there."""

    def __init__(self, index):
        self.index, self.stop = index, threading.Event()
        self.acknowledged, self.refused, self.searches, self.failed = [], 0, 0, []

    def go_on(self):
        """Wait until more was written and found than now."""
        written, found = len(self.acknowledged) + 20, self.searches + 20
        until(lambda: len(self.acknowledged) >= written and self.searches >= found, "writes and searches go on")

    def write(self):
        number = 0
        while not self.stop.is_set():
            try:
                self.index.upsert([point(number)])
                self.acknowledged.append(number)
                number += 1
            except SnapfindError:  # not acknowledged: it is sent again
                self.refused += 1
                time.sleep(0.05)

    def search(self):
        while not self.stop.is_set():
            known = self.acknowledged[-1] if self.acknowledged else None
            try:
                found = self.index.search(IndexQuery("a", point(known or 0).vectors["a"], limit=1))
                self.searches += 1
                if known is not None and found[0].id != point(known).id:
                    self.failed.append(f"product {known} was acknowledged and is not found")
            except SnapfindError as error:
                self.failed.append(error.message)


def test_a_node_stops_and_returns_and_nothing_acknowledged_is_lost(nodes):
    address = f"qdrant://{','.join(nodes.hosts)}/nodes-{uuid.uuid4().hex}"
    index = cluster.open(*connect(address), CollectionLayout(shards=6, replicas=2, consistency=2), {"a": DIM})
    traffic = Traffic(index)
    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(traffic.write), pool.submit(traffic.search), pool.submit(traffic.search)]
        try:
            nodes.run(traffic)
            nodes.stop()
            nodes.run(traffic)
            nodes.start()
            nodes.run(traffic)
        finally:
            traffic.stop.set()
        for one in running:
            one.result()
    assert not traffic.failed, traffic.failed[:5]
    there(index, traffic.acknowledged)
    for host in nodes.hosts:  # the one that returned too, once it has caught up
        one = cluster.find(*connect(f"qdrant://{host}/{address.rpartition('/')[2]}"))
        there(one, traffic.acknowledged)
        one.close()
    index.close()


def there(index, numbers):
    end = time.monotonic() + 60
    ids = [point(number).id for number in numbers]
    while len(index.get(ids)) < len(ids) and time.monotonic() < end:
        time.sleep(0.5)
    assert [one.id for one in index.get(ids)] == ids
