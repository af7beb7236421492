"""The server under load, on this machine only: overhead over the library, throughput and latency, and twice too much.

    SNAPFIND_DATA=… python benchmarks/server_load.py [--seconds 6] [--soak 0] > benchmarks/results/server.md

The catalog is the 81 studio pictures of `grocery`, the photos are shoppers' of its `val` split as they are in the
files. The server is a process of its own and its clients are threads of this one, on the same cores: what the clients
take is missing from the server. A client sends its next photo when it has the answer to the last; in the overload
photos come at random moments, twice as many as the full server answered, whether it keeps up or not.
"""

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
from query_latency import small_shop

import snapfind
from snapfind.core.config import Settings
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.media.image.decode import Limits, load

COMMAND = "from snapfind.cli import main; main()"


@dataclass(slots=True)
class Load:
    """What clients got: milliseconds of the answers, and how often each status came."""

    spent: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    def ask(self, http: "Client", photo: bytes) -> None:
        """One photo and what became of it."""
        begin = time.perf_counter()
        status, _ = http.search(photo)
        self.statuses[status] += 1
        if status == 200:
            self.spent.append((time.perf_counter() - begin) * 1000)

    def quantile(self, part: float) -> float:
        """Milliseconds below which that part of the answers came."""
        return statistics.quantiles(self.spent, n=100)[round(part * 100) - 1] if len(self.spent) > 2 else float("nan")


@contextmanager
def served(shop: Path, **settings: int) -> Iterator[tuple[str, int]]:
    """`snapfind serve` as a process, ready; its address and its process."""
    variables = {f"SNAPFIND_{name.upper()}": str(value) for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "serve", str(shop), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | variables,
    )
    url = process.stderr.readline().split(" at ")[-1].strip()
    threading.Thread(target=process.stderr.read, daemon=True).start()
    for _ in range(600):
        try:
            if httpx.get(url + "/readyz").status_code == 200:
                break
        except httpx.TransportError:
            time.sleep(0.1)
    yield url, process.pid
    process.send_signal(signal.SIGTERM)
    process.wait(60)


class Client:
    """One connection and forms made by hand: the less a client takes, the more the cores are the server's."""

    def __init__(self, url: str) -> None:
        self._http = HTTPConnection("127.0.0.1", int(url.rsplit(":", 1)[1]), timeout=60)

    def search(self, photo: bytes) -> tuple[int, dict[str, Any]]:
        """Status and reply."""
        head = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\n'
        form = {"Content-Type": "multipart/form-data; boundary=b"}
        self._http.request("POST", "/v1/search", head + photo + b"\r\n--b--\r\n", form)
        found = self._http.getresponse()
        return found.status, json.loads(found.read())


def run_clients(url: str, photos: list[bytes], clients: int, seconds: float) -> Load:
    """So many clients for so long, each sending photos without a pause."""
    load_ = Load()
    begin = time.perf_counter()

    def client(number: int) -> None:
        http, step = Client(url), number
        while time.perf_counter() < begin + seconds:
            load_.ask(http, photos[step % len(photos)])
            step += clients

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))
    load_.seconds = time.perf_counter() - begin
    return load_


def pour(url: str, photos: list[bytes], rate: float, seconds: float) -> Load:
    """Photos at random moments, `rate` a second, whatever the server makes of them; a fixed seed."""
    load_, rng = Load(), random.Random(0)
    waiting = [Client(url) for _ in range(32)]
    begin = due = time.perf_counter()

    def ask(photo: bytes) -> None:
        http = waiting.pop()
        load_.ask(http, photo)
        waiting.append(http)

    with ThreadPoolExecutor(len(waiting)) as pool:
        while due < begin + seconds:
            time.sleep(max(0.0, due - time.perf_counter()))
            pool.submit(ask, rng.choice(photos))
            due += rng.expovariate(rate)
    load_.seconds = time.perf_counter() - begin
    return load_


def overhead(shop: Path, other: Path, photos: list[bytes]) -> tuple[float, float, float, dict[str, float]]:
    """Median ms of a library query, of the same at a server, of their difference, and of the server's steps.

    Photo by photo in turns, the library in this process and the server in its own, on a catalog of the same content.
    """
    library, there, steps = [], [], []
    with snapfind.open(other, create=False) as catalog, served(shop) as (url, _):
        http = Client(url)
        for step, photo in enumerate([*photos[:10], *photos]):
            begin = time.perf_counter()
            catalog.search(photo)
            middle = time.perf_counter()
            _, found = http.search(photo)
            if step >= 10:
                library.append((middle - begin) * 1000)
                there.append((time.perf_counter() - middle) * 1000)
                steps.append(found["timings"])
    differences = [far - near for near, far in zip(library, there)]
    spent = {name: statistics.median(one[name] for one in steps) for name in steps[0]}
    return statistics.median(library), statistics.median(there), statistics.median(differences), spent


def encoding(photos: list[bytes]) -> dict[str, float]:
    """Photos per second through the encoder: from several threads, each its own run, and in batches from one."""
    encoder = Builtin.load()
    images = [load(photo, Limits.of(Settings()), side=448) for photo in photos[:40]] * 4

    def rate(threads: int, size: int = 1) -> float:
        batches = [images[start : start + size] for start in range(0, len(images), size)]
        with ThreadPoolExecutor(threads) as pool:
            begin = time.perf_counter()
            list(pool.map(lambda batch: encoder.images(batch, "query"), batches))
            return len(images) / (time.perf_counter() - begin)

    rate(2)
    names = {f"{threads} caller{'s' * (threads > 1)}, a photo each": rate(threads) for threads in (1, 2, 4, 8)}
    return names | {"1 caller, 8 photos together": rate(1, 8), "2 callers, 8 photos together": rate(2, 8)}


def memory(pid: int) -> tuple[int, int, int]:
    """Resident MB, threads and open files of a process."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) >> 10, int(status["Threads"]), len(list(Path(f"/proc/{pid}/fd").iterdir()))


def main() -> None:
    """Everything, as Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--soak", type=float, default=0, help="minutes")
    parser.add_argument("--photos", type=int, default=100)
    given = parser.parse_args()
    data = Path(os.environ["SNAPFIND_DATA"]) / "grocery"
    lines = [line.split(",")[0].strip() for line in (data / "val.txt").read_text().splitlines()]
    photos = [(data / line).read_bytes() for line in lines[: given.photos]]
    cores = len(os.sched_getaffinity(0))
    say = sys.stdout.write
    say("# The server under load\n\n")
    say(f"`python benchmarks/server_load.py --seconds {given.seconds:g}`, {cores} cores for server and clients, ")
    say(f"{len(photos)} photos of {statistics.median(map(len, photos)) / 1024:.0f} KB (median), 81 pictures.\n\n")
    with tempfile.TemporaryDirectory() as folder:
        shop, other = (Path(folder) / name for name in ("shop.snap", "other.snap"))
        small_shop(data, Path(folder)).close()
        shutil.copytree(shop, other)
        here, there, more, steps = overhead(shop, other, photos)
        say("| one photo query at a time, median | ms |\n|---|---|\n")
        say(f"| library | {here:.1f} |\n| the same photo over HTTP | {there:.1f} |\n")
        say(f"| difference, photo by photo | {more:+.1f} |\n\n")
        told = ", ".join(f"{name} {spent:.1f}" for name, spent in steps.items())
        say(f"Steps that the server names, median ms: {told}.\n\n")
        say("| encoder alone | photos/s |\n|---|---|\n")
        for name, rate in encoding(photos).items():
            say(f"| {name} | {rate:.0f} |\n")
        say("\n| clients | photos/s | p50 ms | p95 ms | p99 ms | answers |\n|---|---|---|---|---|---|\n")
        with served(shop) as (url, pid):
            run_clients(url, photos, 4, 2)
            unloaded = None
            for clients in (1, 8, 32):
                got = run_clients(url, photos, clients, given.seconds)
                unloaded = unloaded or got.quantile(0.99)
                say(row(str(clients), got))
            before = memory(pid)
            run_clients(url, photos, 32, given.seconds)
            after = memory(pid)
        say(f"\nMB, threads, files before and after {given.seconds:g} s of 32 clients: {before}, {after}.\n\n")
        overload(shop, photos, unloaded, given.seconds, say)
        if given.soak:
            soak(shop, photos, given.soak, say)


def overload(shop: Path, photos: list[bytes], unloaded: float, seconds: float, say: Callable[[str], object]) -> None:
    """Twice what a server holds with two at work and 0 to 2 waiting; `unloaded` is the p99 of one client."""
    say("| twice too much | photos/s | p50 ms | p95 ms | p99 ms | answers |\n|---|---|---|---|---|---|\n")
    told = []
    for queue in (0, 1, 2):
        with served(shop, workers=2, queue=queue) as (url, _):
            run_clients(url, photos, 2, 2)
            fit = run_clients(url, photos, 2 + queue, seconds)
            say(row(f"2 at work, {queue} waiting: {2 + queue} clients, as many as it holds", fit))
            rate = 2 * len(fit.spent) / fit.seconds
            over = pour(url, photos, rate, 2 * seconds)
            say(row(f"2 at work, {queue} waiting: {rate:.0f} photos a second, twice that", over))
        others = sum(count for status, count in over.statuses.items() if status not in (200, 429))
        times = over.quantile(0.99) / unloaded
        told.append(f"{queue} waiting: {times:.1f} times, {others} answers other than 200 and 429")
    say(f"\np99 of the accepted over that of one client, {'; '.join(told)}.\n")


def soak(shop: Path, photos: list[bytes], minutes: float, say: Callable[[str], object]) -> None:
    """Load for so long; memory, threads and open files ten times on the way."""
    say(f"\n| soak, {minutes:g} minutes of 8 clients | MB | threads | open files |\n|---|---|---|---|\n")
    with served(shop) as (url, pid):
        for step in range(10):
            run_clients(url, photos, 8, minutes * 6)
            say("| {} | {} | {} | {} |\n".format(f"{minutes * (step + 1) / 10:g} min", *memory(pid)))


def row(name: str, got: Load) -> str:
    """One line of a table."""
    statuses = ", ".join(f"{count} × {status}" for status, count in sorted(got.statuses.items()))
    cells = [f"{len(got.spent) / got.seconds:.1f}", *(f"{got.quantile(part):.0f}" for part in (0.5, 0.95, 0.99))]
    return f"| {name} | {' | '.join(cells)} | {statuses} |\n"


if __name__ == "__main__":
    main()
