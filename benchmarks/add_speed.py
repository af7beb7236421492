"""Pictures per second while adding, against the bare rate of the same network on ready tensors; and the memory.

    SNAPFIND_DATA=… python benchmarks/add_speed.py [--rounds 3] [--pictures 2640]

Bare and whole take turns in one run on one machine; each round is a fresh catalog in a fresh process. "Whole" is
decode, orient, pad, encode, keep a copy, store. A folder per product has few titles to encode; `--titles` gives every
picture a product and a title of its own, which adds the text encoder's time.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

BARE = """
import sys, time, numpy as np
from snapfind.encoders.image.efficientnet import Builtin
encoder = Builtin.load("lite0")
side = encoder.preprocessing.side
batch = np.random.default_rng(0).integers(256, size=(16, side, side, 3), dtype=np.uint8)
run = lambda: encoder._session.run(["pooled", "logits"], {"pictures": batch})
run()
begin = time.perf_counter()
for _ in range(40): run()
print(640 / (time.perf_counter() - begin))
"""

WHOLE = """
import json, resource, sys, snapfind
with snapfind.open(sys.argv[1]) as shop:
    shop.model.text.texts(["warm"], "query")  # the text encoder loads before the clock starts
    report = shop.add(sys.argv[2], root=sys.argv[3])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([report.added, report.seconds, peak]))
"""


def fresh(code: str, *args: str) -> str:
    """Run code in a process of its own and give its last line."""
    done = subprocess.run([sys.executable, "-c", code, *args], check=True, capture_output=True, text=True)
    return done.stdout.strip().splitlines()[-1]


def a_table(data: Path, folder: Path, pictures: int, titles: bool) -> Path:
    """A table over the train photos, `pictures` rows, repeated under other ids when there are fewer."""
    lines = [line.split(",")[0] for line in (data / "train.txt").read_text().splitlines()]
    table = folder / "products.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "title", "picture"])
        for row in range(pictures):
            path = lines[row % len(lines)]
            name = Path(path).parent.name
            lap = row // len(lines)
            writer.writerow([f"{name}-{row}" if titles else f"{name}-{lap}", f"{name} {row}" if titles else name, path])
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=2640)
    parser.add_argument("--titles", action="store_true")
    args = parser.parse_args()
    data = Path(os.environ["SNAPFIND_DATA"]) / "grocery"
    bare, whole, memory = [], [], []
    for round_ in range(args.rounds):
        with tempfile.TemporaryDirectory() as folder:
            table = a_table(data, Path(folder), args.pictures, args.titles)
            bare.append(float(fresh(BARE)))
            added, seconds, peak = json.loads(fresh(WHOLE, f"{folder}/shop.snap", str(table), str(data)))
        whole.append(added / seconds)
        memory.append(peak)
        print(
            f"round {round_ + 1}: bare {bare[-1]:.1f}/s, whole {whole[-1]:.1f}/s, peak {peak:.0f} MB", file=sys.stderr
        )
    ratios = [one / other for one, other in zip(whole, bare)]
    print("| pictures | bare network, photos/s | adding, photos/s | ratio (median, least to most) | peak memory, MB |")
    print("|---|---|---|---|---|")
    print(
        f"| {args.pictures:,}{' with a title each' if args.titles else ''} | {statistics.median(bare):.1f} "
        f"| {statistics.median(whole):.1f} | {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) "
        f"| {max(memory):.0f} |"
    )


if __name__ == "__main__":
    main()
