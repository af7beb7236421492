"""Cross-domain CTR: CDAnet against one domain, shared bottom, MMoE, DCN-V2 and a random projection.

    python benchmarks/rank_ctr.py --share 0.05 --seeds 5
    python benchmarks/rank_ctr.py --share 1 --seeds 5 --methods single cdanet
    SNAPFIND_DATA=... python benchmarks/rank_ctr.py --amazon --seeds 3 --methods single shared cdanet
    python benchmarks/rank_ctr.py --serve

`--share` is the part of the target's 40,000 rows that is learned from; epochs are chosen on 20,000 rows of their own,
the figures are of another 20,000. `--amazon`: `sport` helps `cloth`, published split, two sampled negatives for a
positive in learning, 20 in judging. `--serve`: milliseconds for 200 candidates. Prints Markdown.
"""

import argparse
import csv
import gzip
import os
import time
from collections import defaultdict
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from simulation.two_domains import SOURCE_FIELDS, TARGET_FIELDS, World, simulate

from snapfind.evaluation.click_metrics import ClickFigures, click_figures
from snapfind.ranking.export import click_model
from snapfind.ranking.fit import METHODS, ClickModelConfig, chances, fit
from snapfind.ranking.rows import SOURCE, Rows, rows_of
from snapfind.search.rerank.clicks import columns_of
from snapfind.search.rerank.features import Field

Parts = tuple[Rows, Rows, Rows, Rows]  # source; target to learn from, to choose by, to judge by
AMAZON = tuple(
    (Field("user", "hashed", 1 << 15), Field(f"{name}.item", "hashed", 1 << 16),
     Field(f"{name}.recent", "sequence", 1 << 16, table=f"{name}.item", most=10))
    for name in ("cloth", "sport")
)  # fmt: skip


def union(target: tuple[Field, ...], source: tuple[Field, ...]) -> tuple[Field, ...]:
    """The target's first."""
    return (*target, *(own for own in source if own not in target))


def simulated(seed: int, share: float) -> Parts:
    """Rows of the simulator."""
    fields = union(TARGET_FIELDS, SOURCE_FIELDS)
    world = World(target_rows=round(World().target_rows * share))
    source, *target = simulate(world, seed)
    first, second, third = (rows_of(part.columns, fields) for part in target)
    return rows_of(source.columns, fields, SOURCE), first, second, third


def amazon(folder: Path, seed: int) -> Parts:
    """Rows of sport-cloth; a tenth of the target's training positives is there to choose by."""
    rng, fields = np.random.default_rng(seed), union(*AMAZON)
    held: dict[str, list[tuple[str, int, str]]] = {}
    for name in ("cloth", "sport"):
        with gzip.open(folder / f"sport-cloth__{name}.csv.gz", "rt", newline="") as file:
            rows = list(csv.DictReader(file))
        held[name] = [
            (row["user"], int(row["item"]), row["split"] if row["in_published_test"] != "1" else "judged")
            for row in rows
        ]
    chosen = set(rng.permutation(len(held["cloth"]))[: len(held["cloth"]) // 10].tolist())
    train = [row for at, row in enumerate(held["cloth"]) if row[2] == "train" and at not in chosen]
    later = [row for at, row in enumerate(held["cloth"]) if row[2] == "train" and at in chosen]
    source = [row for row in held["sport"] if row[2] == "train"]
    judged = [row for row in held["cloth"] if row[2] == "judged"]
    return (
        rows_of(sampled("sport", source, source, 2, rng), fields, SOURCE),
        rows_of(sampled("cloth", train, train, 2, rng), fields),
        rows_of(sampled("cloth", later, train, 2, rng), fields),
        rows_of(sampled("cloth", judged, train, 20, rng), fields),
    )


def sampled(
    name: str, rows: list[tuple[str, int, str]], known: list[tuple[str, int, str]], most: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Columns of the positives and `most` negatives for each; a row never sees its own item among the recent ones."""
    liked: dict[str, list[int]] = defaultdict(list)
    for user, item, _ in known:
        liked[user].append(item)
    items = np.array([item for _, item, _ in known])
    columns: dict[str, Any] = {key: [] for key in ("user", f"{name}.item", f"{name}.recent", "clicked", "group")}
    for user, item, _ in rows:
        # negatives as popular as positives are: a uniform draw would be told apart by popularity alone
        for place, one in enumerate([item, *items[rng.integers(len(items), size=most)].tolist()]):
            recent = [other for other in liked[user] if other not in (item, one)]
            for key, value in zip(columns, (user, one, recent[:10], place == 0, user)):
                columns[key].append(value)
    return columns


def figures(parts: Parts, method: Any, fields: tuple[tuple[Field, ...], tuple[Field, ...]], seed: int) -> ClickFigures:
    """Learn and judge."""
    source, first, second, third = parts
    recipe = replace(ClickModelConfig(), plan=replace(ClickModelConfig().plan, seed=seed))
    found = fit(method, first, second, fields[0], source=source, source_fields=fields[1], recipe=recipe)
    return click_figures(chances(found, third), third.labels > 0, third.groups)


def table(given: argparse.Namespace) -> None:
    """Mean and standard deviation over the seeds; a row of each seed goes to stderr."""
    fields = AMAZON if given.amazon else (TARGET_FIELDS, SOURCE_FIELDS)
    found: dict[str, list[ClickFigures]] = {method: [] for method in given.methods}
    begun = time.process_time()
    for seed in range(given.first, given.first + given.seeds):
        parts = amazon(Path(os.environ["SNAPFIND_DATA"]) / "amazon_cdr", seed) if given.amazon else simulated(
            seed, given.share)  # fmt: skip
        for method in given.methods:
            found[method].append(figures(parts, method, fields, seed))
            print(f"<!-- seed {seed} {method} {asdict(found[method][-1])} -->", flush=True)
    print(
        f"\nLearned from {len(parts[1]):,} rows of the target, {len(parts[0]):,} of the source; {given.seeds} seeds.\n"
    )
    print("| method | AUC | GAUC | log loss | calibration error | AUC against single |\n|" + "---|" * 6)
    for method, rows in found.items():
        cells = [spread([getattr(row, name) for row in rows]) for name in ("auc", "gauc", "log_loss", "calibration")]
        gaps = [row.auc - other.auc for row, other in zip(rows, found.get("single", []))]
        print(f"| {method} | {' | '.join(cells)} | {spread(gaps, sign='+') if gaps else ''} |")
    print(f"\n{time.process_time() - begun:,.0f} processor seconds.")


def spread(values: list[float], sign: str = "") -> str:
    """Mean and standard deviation."""
    return f"{np.mean(values):{sign}.4f} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.4f}"


def serve() -> None:
    """200 candidates as a search hands them over: hashing, tables, layers."""
    parts = simulated(0, 0.05)
    config = replace(ClickModelConfig(), steps=5, plan=replace(ClickModelConfig().plan, epochs=1))
    found = fit(
        "cdanet", parts[1], parts[2], TARGET_FIELDS, source=parts[0], source_fields=SOURCE_FIELDS, recipe=config
    )
    model = click_model(found, TARGET_FIELDS)
    payloads = [{"_product": f"p{at}", "category": f"c{at % 9}", "price": at + 0.5} for at in range(200)]
    times = []
    for _ in range(300):
        begin, processor = time.perf_counter(), time.process_time()
        columns = columns_of(payloads, [0.5] * 200, ("p1", "p2", "p3"))
        for own in TARGET_FIELDS:  # every field of the model is there
            columns[own.name] = {"hashed": columns["product.id"], "sequence": columns["shopper.recent"]}.get(
                own.kind, columns["product.price"])  # fmt: skip
        model.chances(columns, 200)
        times.append((1000 * (time.perf_counter() - begin), 1000 * (time.process_time() - processor)))
    clock, used = np.array(times).T
    print(
        f"200 candidates, {len(TARGET_FIELDS)} fields: median {np.median(clock):.2f} ms of the clock, 95th percentile "
        f"{np.quantile(clock, 0.95):.2f} ms; median {np.median(used):.2f} ms of the processor"
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed: to go on where a run was stopped")
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--amazon", action="store_true")
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.serve:
        serve()
    else:
        table(given)


if __name__ == "__main__":
    main()
