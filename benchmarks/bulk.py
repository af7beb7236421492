"""Adding photos in this process, and by one and two workers of a local Ray.

    pip install '.[ray]'
    SNAPFIND_DATA=… python benchmarks/bulk.py [--pictures 640] [--rounds 1]

Each way is a fresh catalog in a fresh process, in turns. Photos a second are those of the run itself; Ray and its
workers stand before it begins ("to begin"). Processor time is that of all processes, Ray's own and their beginning too,
told apart by a variable of the environment that they inherit.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

from add_speed import a_table

RUN = """
import json, os, sys, time
from pathlib import Path
begun = time.perf_counter()
import snapfind
from functools import partial
from snapfind import distributed

def spent():
    mark, ticks = f"BULK_RUN={os.environ['BULK_RUN']}".encode(), 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes():
                parts = (process / "stat").read_text().rpartition(")")[2].split()
                ticks += sum(map(int, parts[11:15]))
        except OSError:
            pass
    return ticks / os.sysconf("SC_CLK_TCK")

busy = 0.0
def progress(done, total):
    global busy
    if done == total:
        busy = spent()

shop, table, root, workers = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
with snapfind.open(shop) as catalog:
    options = {"root": root, "progress": progress}
    add = partial(distributed.add, catalog, workers=workers) if workers else catalog.add
    report = add(table, **options)
    whole = time.perf_counter() - begun
copies = sum(file.stat().st_size for file in (shop / "pictures").rglob("*.jpg")) / report.added
print(json.dumps([report.added, report.seconds, whole - report.seconds, busy, copies]))
"""
WAYS = {"in this process": 0, "by 1 worker": 1, "by 2 workers": 2}


def run(table: Path, root: Path, workers: int, folder: Path) -> list[float]:
    """Pictures added, seconds, seconds to begin and end, processor seconds, bytes of a copy."""
    known = os.environ | {"BULK_RUN": uuid.uuid4().hex}
    command = [sys.executable, "-c", RUN, folder / uuid.uuid4().hex, table, root, str(workers)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=known)
    values: list[float] = json.loads(done.stdout.splitlines()[-1])
    return values


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    data = Path(os.environ["SNAPFIND_DATA"]) / "grocery"
    runs: dict[str, list[list[float]]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        table = a_table(data, Path(folder), args.pictures, titles=False)
        for _ in range(args.rounds):
            for name, workers in WAYS.items():
                runs[name].append(run(table, data, workers, Path(folder)))
                print(name, runs[name][-1], file=sys.stderr)
    print("| adding | photos/s | to begin and end, s | processor ms a photo | kB of a kept copy |")
    print("|---|---|---|---|---|")
    for name, rows in runs.items():
        added, seconds, around, busy, copies = (statistics.median(column) for column in zip(*rows))
        cells = [f"{added / seconds:.1f}", f"{around:.1f}", f"{1000 * busy / added:.0f}", f"{copies / 1000:.1f}"]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
