"""Photos a second: the bare network on ready tensors, and the encoder end to end from PIL pictures. Prints Markdown.

    python benchmarks/encode_speed.py                    # lite0, and lite2 where scripts/export_encoder.py made it
    python benchmarks/encode_speed.py --also int8-folder # a further artifact
    python benchmarks/encode_speed.py --also int8-folder --without-vnni   # multiplying as x86 without VNNI has to
    python benchmarks/encode_speed.py --paired FOLDER    # what a learned artifact costs beside lite0, run about

Each figure is the median of several runs of at least 32 photos, on as many threads as the process has cores. Run it
on a quiet machine: the load is printed beside.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from snapfind.core.errors import NotFound
from snapfind.encoders import onnx_session
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.image.preprocess import to_tensor

BATCHES = (1, 8, 16, 32)
RUNS = 7


def photos(count: int, side: int) -> list[Image.Image]:
    """Noise over a gradient, 4:3."""
    rng = np.random.default_rng(0)
    slope = np.linspace(0, 200, side, dtype=np.float64)[None, :, None]
    levels = [slope + rng.uniform(0, 55, (side * 3 // 4, side, 3)) for _ in range(count)]
    return [Image.fromarray(level.astype(np.uint8)) for level in levels]


def rate(work: Callable[[], object], count: int) -> float:
    """Photos a second, median of the runs after one to warm up."""
    work()
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return count / statistics.median(seconds)


def row(label: str, encoder: Builtin) -> str:
    """One line of the table."""
    ready = to_tensor(photos(32, 300), encoder.preprocessing)

    def bare(batch: int) -> None:
        for start in range(0, 32, batch):
            encoder._session.run(["pooled"], {"pictures": ready[start : start + batch]})

    cells = [rate(lambda batch=batch: bare(batch), 32) for batch in BATCHES]
    for side in (384, 1600):
        taken = photos(32, side)
        cells.append(rate(lambda taken=taken: encoder.images(taken, "query"), 32))
    single = photos(1, 384)
    wait = 1000 / rate(lambda: encoder.images(single, "query"), 1)
    return f"| {label} | " + " | ".join(f"{cell:.0f}" for cell in cells) + f" | {wait:.1f} ms |"


def paired(folder: str) -> str:
    """Time of an artifact over that of lite0, runs alternating: median and quartiles of the ratios."""
    encoders = Builtin.load("lite0"), Builtin.load(folder)
    lines = ["| one call | lite0 | learned | learned over lite0, median (quartiles) |", "|---|---|---|---|"]
    for count in (1, 32):
        taken, runs = photos(count, 384), []
        for _ in range(RUNS * 64 // (count + 7)):
            begun = [time.perf_counter()]
            for encoder in encoders:
                encoder.images(taken, "query")
                begun.append(time.perf_counter())
            runs.append(np.diff(begun))
        raw, learned = np.array(runs[1:]).T
        low, middle, high = np.quantile(learned / raw, (0.25, 0.5, 0.75))
        waits = f"{np.median(raw) * 1000:.1f} ms | {np.median(learned) * 1000:.1f} ms"
        lines.append(f"| {count} photo(s), 384 px | {waits} | {middle:.3f} ({low:.3f}-{high:.3f}) |")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--also", action="append", default=[], help="folder of a further artifact")
    parser.add_argument("--paired", help="folder of a learned artifact, for this comparison alone")
    parser.add_argument("--without-vnni", action="store_true", help="8 bits by the exact way of older processors")
    given = parser.parse_args()
    if given.without_vnni:
        onnx_session._overflows = lambda: True
    print(f"{os.cpu_count()} cores, load before the run {os.getloadavg()[0]:.1f}\n")
    if given.paired:
        print(paired(given.paired))
        return
    print(f"| photos/s | {' | '.join(f'batch {b}' for b in BATCHES)} | PIL 384 px | PIL 1600 px | one photo, 384 px |")
    print("|---" * (len(BATCHES) + 4) + "|")
    for name in ("lite0", "lite2", *given.also):
        try:
            print(row(name, Builtin.load(name)), flush=True)
        except NotFound as missing:
            print(f"| {name}: {missing} |")


if __name__ == "__main__":
    main()
