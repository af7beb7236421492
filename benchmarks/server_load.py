"""The server under load, on this machine only: overhead over the library, throughput and latency, and twice too much.

    SNAPFIND_DATA=… python benchmarks/server_load.py [--seconds 6] [--soak 0] > benchmarks/results/server.md

The catalogue is the 81 studio pictures of `grocery`, the photos are shoppers' of its `val` split as they are in the
files. The server is a process of its own and its clients are threads of this one, on the same cores: what the clients
take is missing from the server. A client sends its next photo when it has the answer to the last.
"""

import argparse
import os
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
from pathlib import Path

import httpx
from query_latency import small_shop

from snapfind.encoders.builtin import Builtin
from snapfind.media.images import Limits, load
from snapfind.settings import Settings

COMMAND = "from snapfind.cli import main; main()"


@dataclass(slots=True)
class Load:
    """What clients got: milliseconds of the answers, and how often each status came."""

    spent: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

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


def run_clients(url: str, photos: list[bytes], clients: int, seconds: float) -> Load:
    """So many clients for so long, each sending photos without a pause; one told to come back waits as told / 20."""
    load_ = Load()
    end = time.perf_counter() + seconds

    def client(number: int) -> None:
        with httpx.Client(base_url=url, timeout=60) as http:
            step = number
            while time.perf_counter() < end:
                begin = time.perf_counter()
                found = http.post("/v1/search", files={"photo": ("x", photos[step % len(photos)])})
                load_.statuses[found.status_code] += 1
                if found.status_code == 200:
                    load_.spent.append((time.perf_counter() - begin) * 1000)
                else:
                    time.sleep(0.05)
                step += clients

    begin = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))
    load_.seconds = time.perf_counter() - begin
    return load_


def overhead(shop: Path, photos: list[bytes]) -> tuple[float, float, float]:
    """Median ms of a library query, of the same over HTTP, and of their difference photo by photo; one run in turns."""
    import uvicorn

    import snapfind
    from snapfind.server import build

    catalogue = snapfind.open(shop, create=False)
    app = build(catalogue)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    library, http = [], []
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for step, photo in enumerate([*photos[:10], *photos]):
            begin = time.perf_counter()
            catalogue.search(photo)
            middle = time.perf_counter()
            client.post("/v1/search", files={"photo": ("x", photo)}).raise_for_status()
            if step >= 10:
                library.append((middle - begin) * 1000)
                http.append((time.perf_counter() - middle) * 1000)
    server.should_exit = True
    thread.join()
    differences = [there - here for here, there in zip(library, http)]
    return statistics.median(library), statistics.median(http), statistics.median(differences)


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
        small_shop(data, Path(folder)).close()
        shop = Path(folder) / "shop.snap"
        here, there, more = overhead(shop, photos)
        say("| one photo query at a time, median | ms |\n|---|---|\n")
        say(f"| library, in the process of the server | {here:.1f} |\n| the same photo over HTTP | {there:.1f} |\n")
        say(f"| difference, photo by photo | {more:+.1f} |\n\n")
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
        say("| twice too much: 2 at work, 2 waiting | photos/s | p50 ms | p95 ms | p99 ms | answers |\n")
        say("|---|---|---|---|---|---|\n")
        with served(shop, workers=2, queue=2) as (url, pid):
            run_clients(url, photos, 2, 2)
            fit = run_clients(url, photos, 4, given.seconds)
            say(row("4 clients, as many as it holds", fit))
            over = run_clients(url, photos, 8, given.seconds)
            say(row("8 clients, twice as many", over))
        others = sum(count for status, count in over.statuses.items() if status not in (200, 429))
        say(f"\nOther answers than 200 and 429: {others}. p99 of the accepted: {over.quantile(0.99) / unloaded:.1f} ")
        say(f"times that of one client, {over.quantile(0.99) / fit.quantile(0.99):.1f} times that of a full server.\n")
        if given.soak:
            soak(shop, photos, given.soak, say)


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
