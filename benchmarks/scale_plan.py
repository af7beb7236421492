"""From what was measured at 10^4 to 10^6 pictures to what 10^10 would need: the tables of docs/concepts/scale.md.

    python benchmarks/scale_plan.py                        # prints them
    python benchmarks/scale_plan.py --into docs/concepts/scale.md   # writes them between its marks
    python benchmarks/scale_plan.py --core_hour 0.02 --searches 1000

Measured rows are those that `growth.py ask` printed, kept in results/growth.jsonl. Every assumption is an option. A
shard's search is taken to grow with the logarithm of its pictures, by as much for ten times as many as between the two
largest measured; that of many shards is as slow as the slowest, drawn 2,000 times from the spread of the largest, each
shard on its own and the network for nothing.
"""

import argparse
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

ROWS = Path(__file__).parent / "results" / "growth.jsonl"
SIZES = [10**power for power in range(6, 11)]
HOURS, DRAWS = 730, 2000  # a month; of the simulation
BEGIN, END = "<!-- scale_plan.py -->", "<!-- end -->"


def given(value: float, said: str) -> Any:
    """An assumption and where it comes from."""
    return field(default=value, metadata={"said": said})


@dataclass(frozen=True)
class Assumed:
    """What the arithmetic stands on; none of it is known for your shop."""

    numbers: float = given(256, "dimensions of an embedding: 256 of trained heads, 1,280 of the bundled encoder")
    shard: float = given(1e7, "pictures per shard; ten times the largest measured index")
    replicas: float = given(2, "copies of each shard")
    asked: float = given(
        0.05, "fraction of the shards that are searched if the predicted category selects them; not implemented"
    )
    searches: float = given(100, "photo searches per second at the peak")
    looked: float = given(78.5, "photos per second and core while adding (results/scale.md: 157 on two cores)")
    served: float = given(
        17.2, "photo searches per second and core of a small shop (results/server.md: 34.4 on two cores)"
    )
    copy_kb: float = given(27.2, "kB of a stored copy of a picture (results/scale.md)")
    busy: float = given(0.6, "maximum utilization of a core at the peak")
    cores: float = given(16, "cores of a machine")
    memory_gb: float = given(128, "memory of a machine")
    core_hour: float = given(0.04, "price of a core per hour; an example")
    memory_hour: float = given(0.005, "price of a GB of memory per hour; an example")
    disk_month: float = given(0.10, "price of a GB of disk per month; an example")


class TrainingConfig:
    """The needs of a catalog of some size, each by one line of arithmetic."""

    def __init__(self, rows: dict[tuple[int, int], dict[str, Any]], assumed: Assumed) -> None:
        *_, smaller, largest = (row for (_, dim), row in sorted(rows.items()) if dim == assumed.numbers)
        self.a, self.row = assumed, largest
        self.decade = (largest["p50 all"] - smaller["p50 all"]) / math.log10(largest["points"] / smaller["points"])

    def kb(self, *names: str) -> float:
        """Kilobytes of a picture, of what the largest measured row takes."""
        return sum(float(self.row[name]) for name in names) * 1024 / self.row["points"]

    def look_hours(self, n: int) -> float:
        """Core hours to look at every picture once and to build the index."""
        return n / self.a.looked / 3600 + n / self.row["points"] * self.row["built_cpu_s"] / 3600

    def index_gb(self, n: int) -> float:
        """One copy on disk."""
        return n * self.kb("disk_mb") / 2**20

    def copies_gb(self, n: int) -> float:
        """The kept pictures."""
        return n * self.a.copy_kb * 1000 / 2**30

    def memory_gb(self, n: int) -> float:
        """One copy: its own, and the files that it looks into."""
        return n * self.kb("rssanon_mb", "rssfile_mb") / 2**20

    def shards(self, n: int) -> int:
        """One at least."""
        return max(1, math.ceil(n / self.a.shard))

    def some(self, n: int) -> int:
        """Shards asked where the category chooses them."""
        return max(1, math.ceil(self.shards(n) * self.a.asked))

    def grown(self, n: int) -> float:
        """Milliseconds of a shard's search over the median of the largest measured."""
        return max(0.0, self.decade * math.log10(n / self.shards(n) / self.row["points"]))

    def work_ms(self, n: int, shards: int) -> float:
        """Processor time of a search in the index."""
        return shards * (float(np.mean(self.row["spread all"])) + self.grown(n))

    def slowest_ms(self, n: int, shards: int) -> tuple[float, float]:
        """Median and 99th percentile of the slowest of the shards."""
        rng, spread = np.random.default_rng(0), np.array(self.row["spread all"])
        # the largest of k uniform numbers is u ** (1 / k)
        slowest = np.interp(rng.random(DRAWS) ** (1 / shards), np.linspace(0, 1, len(spread)), spread) + self.grown(n)
        return float(np.quantile(slowest, 0.5)), float(np.quantile(slowest, 0.99))

    def search_cores(self, n: int, shards: int) -> int:
        """At the peak, with the network that looks at the photo."""
        return math.ceil(self.a.searches * (1 / self.a.served + self.work_ms(n, shards) / 1000) / self.a.busy)

    def machines(self, n: int, shards: int) -> int:
        """As many as the memory of all copies or the cores ask for; a copy each at least."""
        by_memory = math.ceil(self.memory_gb(n) * self.a.replicas / (0.8 * self.a.memory_gb))
        return max(int(self.a.replicas), by_memory, math.ceil(self.search_cores(n, shards) / self.a.cores))

    def once(self, n: int) -> float:
        """Money to add everything."""
        return self.look_hours(n) * self.a.core_hour

    def monthly(self, n: int, shards: int) -> float:
        """Money for machines and disks; the kept pictures lie on one disk."""
        machine = self.a.cores * self.a.core_hour + self.a.memory_gb * self.a.memory_hour
        disk = self.index_gb(n) * self.a.replicas + self.copies_gb(n)
        return self.machines(n, shards) * machine * HOURS + disk * self.a.disk_month


def said(value: float) -> str:
    """Three figures at the most; small counts whole."""
    if isinstance(value, int) and value < 1000:
        return str(value)
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 10 else f"{float(f'{value:.3g}'):,.0f}"


def measured(rows: dict[tuple[int, int], dict[str, Any]]) -> list[str]:
    """What a shop needs on one machine."""
    names = ["recall@10", "recall@10, 30 % filter", "10 % filter", "1 % filter", "p50, ms", "p99, ms", "own memory, MB"]
    names += ["mapped files, MB", "index on disk, MB", "build, CPU s"]
    lines = [f"| pictures | dimensions | {' | '.join(names)} |", f"|{'---|' * (2 + len(names))}"]
    for (points, dim), row in sorted(rows.items(), key=lambda item: item[0][::-1]):
        cells = [f"{row[f'recall {kept}']:.3f}" for kept in ("all", "30 %", "10 %", "1 %")]
        cells += [f"{row[f'{name} all']:.1f}" for name in ("p50", "p99")]
        cells += [f"{row[name]:,.0f}" for name in ("rssanon_mb", "rssfile_mb", "disk_mb", "built_cpu_s")]
        lines.append(f"| {points:,} | {dim:,} | {' | '.join(cells)} |")
    return lines


def computed(plan: TrainingConfig) -> list[str]:
    """A line a need, a column a size."""
    every, some = plan.shards, plan.some
    needs: list[tuple[str, str, Callable[[int], str]]] = [
        ("encode all photos and build the index, core hours", "computed", lambda n: said(plan.look_hours(n))),
        ("index on disk, one copy, GB", "computed", lambda n: said(plan.index_gb(n))),
        ("stored copies of pictures, GB", "computed", lambda n: said(plan.copies_gb(n))),
        ("memory, one copy, GB", "computed", lambda n: said(plan.memory_gb(n))),
        ("shards", "computed", lambda n: said(every(n))),
        ("all shards: CPU ms per search", "computed", lambda n: said(plan.work_ms(n, every(n)))),
        ("all shards: p50 of the slowest shard, ms", "simulated", lambda n: said(plan.slowest_ms(n, every(n))[0])),
        ("all shards: p99 of the slowest shard, ms", "simulated", lambda n: said(plan.slowest_ms(n, every(n))[1])),
        ("all shards: cores at the peak", "computed", lambda n: said(plan.search_cores(n, every(n)))),
        ("all shards: machines, all copies", "computed", lambda n: said(plan.machines(n, every(n)))),
        ("all shards: price per month", "computed", lambda n: said(plan.monthly(n, every(n)))),
        ("selected shards: number", "computed", lambda n: said(some(n))),
        ("selected shards: p50 of the slowest shard, ms", "simulated", lambda n: said(plan.slowest_ms(n, some(n))[0])),
        ("selected shards: p99 of the slowest shard, ms", "simulated", lambda n: said(plan.slowest_ms(n, some(n))[1])),
        ("selected shards: cores at the peak", "computed", lambda n: said(plan.search_cores(n, some(n)))),
        ("selected shards: machines, all copies", "computed", lambda n: said(plan.machines(n, some(n)))),
        ("selected shards: price per month", "computed", lambda n: said(plan.monthly(n, some(n)))),
        ("price of the import, once", "computed", lambda n: said(plan.once(n))),
    ]
    lines = [f"| quantity | source | {' | '.join(f'{n:,}' for n in SIZES)} |", f"|{'---|' * (2 + len(SIZES))}"]
    return lines + [f"| {need} | {how} | {' | '.join(map(value, SIZES))} |" for need, how, value in needs]


def assumptions(assumed: Assumed) -> list[str]:
    """Each with its option."""
    lines = ["| option | value | meaning and source |", "|---|---|---|"]
    return lines + [
        f"| `--{one.name}` | {getattr(assumed, one.name):,.9g} | {one.metadata['said']} |" for one in fields(assumed)
    ]


def main() -> None:
    """Print, or write between the marks of a document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, help="a document with the marks")
    for one in fields(Assumed):
        parser.add_argument(f"--{one.name}", type=float, default=one.default, help=one.metadata["said"])
    options = vars(parser.parse_args())
    into, assumed = options.pop("into"), Assumed(**options)
    read = [json.loads(line) for line in ROWS.read_text().splitlines()]
    rows = {(row["points"], row["dim"]): row for row in read}
    parts = [measured(rows), computed(TrainingConfig(rows, assumed)), assumptions(assumed)]
    if into is None:
        print("\n\n".join("\n".join(lines) for lines in parts))
        return
    tables = iter("\n".join(lines) for lines in parts)
    marked = re.compile(f"{BEGIN}.*?{END}", re.DOTALL)
    into.write_text(marked.sub(lambda _: f"{BEGIN}\n\n{next(tables)}\n\n{END}", into.read_text()))


if __name__ == "__main__":
    main()
