"""Text in pictures as evidence of photo search: off and on, for each shop. Prints Markdown. Needs the extra `ocr`.

    SNAPFIND_DATA=... python benchmarks/read_text.py --work DIR                    # report on the second half
    SNAPFIND_DATA=... python benchmarks/read_text.py --work DIR --choose           # weights and thresholds, first half
    SNAPFIND_DATA=... python benchmarks/read_text.py --work DIR --gates            # which photos are read, first half
    SNAPFIND_DATA=... python benchmarks/read_text.py --work DIR --fit              # after `snapfind model fit`

Catalogs are built once into DIR, with the text of their pictures. Queries are those of benchmarks/shops.py. Weight and
threshold are chosen on the first half of the queries, and reported on the second. Intervals: 95 %, bootstrap over
queries. "read" is the fraction of photos that were read. Times are wall-clock means and depend on the machine.
"""

import argparse
import itertools
import sys
import time
from pathlib import Path

import numpy as np
from PIL.Image import Image
from shop_sets import SHOPS, Example, Shop, answered
from shops import paired

import snapfind
from snapfind.encoders.ocr.reader import TextLine, TextReader
from snapfind.evaluation.report import Figure
from snapfind.search import pipeline, read_text

TASKS = {
    "groceries": ("photo → product",),
    "clothes": ("photo → category",),
    "luma": ("back view → model", "close-up → model"),
    "eshop": ("catalog picture → itself",),
}


class CachedReader(TextReader):
    """Reads each photo once, so that many settings can be compared."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: dict[bytes, list[TextLine]] = {}

    def read(self, image: Image) -> list[TextLine]:
        """Read a picture, or return what was read before."""
        key = image.tobytes()
        if key not in self._lines:
            self._lines[key] = super().read(image)
        return self._lines[key]


def open_shop(shop: Shop, work: Path, fit: bool) -> snapfind.Catalog:
    """Open the catalog of a shop. Add its pictures with their text if it is new."""
    folder = work / f"{shop.name}-read{'-fitted' if fit else ''}.snap"
    catalog = snapfind.open(folder, ocr="add")
    if not len(catalog):
        print(f"{shop.name}: adding {shop.table.name}", file=sys.stderr)
        report = catalog.add(shop.table, root=shop.root)
        print(f"{shop.name}: {report.added} pictures in {report.seconds:.0f} s", file=sys.stderr)
        if fit:
            catalog.models.fit()
    return catalog


def ask(folder: Path, examples: list[Example], ocr: str) -> tuple[dict[str, float], dict[str, float]]:
    """Ask all queries. Returns whether the first hit is right, and seconds of reading, by name of the query."""
    values, seconds = {}, {}
    with snapfind.open(folder, ocr=ocr) as catalog:
        for example in examples:
            answer = catalog.search(example.query, limit=2)
            values[example.name] = answered(example, answer, 1)
            seconds[example.name] = answer.timings.get("read", 0.0) / 1000
    return values, seconds


def report(name: str, kind: str, folder: Path, examples: list[Example]) -> None:
    """Print a line: off, on, the paired difference, and the cost."""
    before, _ = ask(folder, examples, "off")
    begin = time.perf_counter()
    values, seconds = ask(folder, examples, "on")
    spent = time.perf_counter() - begin
    print(f"{name}: {spent / len(values):.2f} s a query", file=sys.stderr)
    for label, chosen in slices(name, list(values)).items():
        read = [seconds[query] for query in chosen if seconds[query]]
        own, other = ({query: one[query] for query in chosen} for one in (values, before))
        off, on = (Figure.of(list(one.values())) for one in (other, own))
        print(
            f"| {name}{label} | {kind} | {len(own)} | {off} | {on} | {paired(own, other)} | "
            f"{len(read) / len(own):.2f} | {np.mean(read or [0]):.2f} |",
            flush=True,
        )


def slices(name: str, queries: list[str]) -> dict[str, list[str]]:
    """Return all queries, and for groceries also packages and the others apart."""
    if name != "groceries":
        return {"": queries}
    packages = [query for query in queries if "/Packages/" in query]
    return {"": queries, ", packages": packages, ", others": [query for query in queries if query not in packages]}


def gates(name: str, kind: str, folder: Path, examples: list[Example]) -> None:
    """Print recall@1 for each number of nearest products of which half must carry text."""
    reader = CachedReader()
    pipeline.open_reader = lambda settings, _: reader if settings.text("ocr") == "on" else None
    for near in (1, 3, 5, 10):
        read_text._NEAR = near
        values, seconds = ask(folder, examples, "on")
        read = np.mean([value > 0 for value in seconds.values()])
        print(f"| {name} | {kind} | {near} | {np.mean(list(values.values())):.3f} | {read:.2f} |", flush=True)


def choose(name: str, kind: str, folder: Path, examples: list[Example]) -> None:
    """Print recall@1 for each weight and threshold."""
    reader = CachedReader()
    pipeline.open_reader = lambda settings, _: reader if settings.text("ocr") == "on" else None
    before, _ = ask(folder, examples, "off")
    print(f"| {name} | {kind} | {len(examples)} | off | | {np.mean(list(before.values())):.3f} | 0 |", flush=True)
    for weight, certain in itertools.product((0.2, 0.35, 0.5, 0.7, 1.0), (0.3, 0.5, 0.7, 0.9, 1.01)):
        read_text.WEIGHT, read_text.CERTAIN = weight, certain
        values, seconds = ask(folder, examples, "on")
        read = np.mean([value > 0 for value in seconds.values()])
        print(
            f"| {name} | {kind} | {len(examples)} | {weight} | {certain} | {np.mean(list(values.values())):.3f} | "
            f"{read:.2f} |",
            flush=True,
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--shops", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--limit", type=int, default=600, help="queries of a task, of which half are reported")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--gates", action="store_true")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    if args.gates:
        print("| shop | query | nearest | recall@1 | read |\n" + "|---" * 5 + "|")
    elif args.choose:
        print("| shop | query | n | weight | threshold | recall@1 | read |\n" + "|---" * 7 + "|")
    else:
        print("| shop | query | n | off | on | difference | read | s a read |\n" + "|---" * 8 + "|")
    for name in args.shops:
        shop = SHOPS[name](args.work)
        with open_shop(shop, args.work, args.fit) as catalog:
            folder = catalog.folder.path
        for task in shop.tasks:
            if task.name in TASKS[name] and task.metric == "right@1":
                asked = list(task.examples[: args.limit])
                half = len(asked) // 2
                if args.choose or args.gates:
                    (choose if args.choose else gates)(name, task.name, folder, asked[:half])
                else:
                    report(name, task.name, folder, asked[half:])


if __name__ == "__main__":
    main()
