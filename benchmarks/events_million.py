"""A million events: written into the store, exported to Parquet, loaded and aggregated by DuckDB.

    python benchmarks/events_million.py --work DIR [--events 1000000]

Prints a Markdown table: seconds of the clock and of the processor, events a second.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from snapfind.events.event import Event
from snapfind.events.parquet import export_events
from snapfind.events.statistics import click_rates, coverage, exploration, open_export
from snapfind.events.store import EventStore
from snapfind.events.zero_results import zero_result_statistics

START = datetime(2026, 1, 1, tzinfo=UTC)
PLACES, PRODUCTS, SHOPPERS, WRITE = 10, 20_000, 5_000, 1000


def log(count: int) -> Iterator[Event]:
    """Searches with ten impressions each, a click in about two of three, now and then a switch of category."""
    rng, made = np.random.default_rng(0), 0
    while made < count:
        name, at = f"s{made}", START + timedelta(seconds=made)
        products = [f"p{number}" for number in rng.zipf(1.3, PLACES) % PRODUCTS]
        common = {"search": name, "session": f"u{rng.integers(SHOPPERS)}", "at": at, "space": "lite0", "version": "1"}
        found = [Event("search", photos=1, results=tuple(products), verdict="match", **common)]
        for place, product in enumerate(products, 1):
            found.append(Event("impression", product=product, position=place, propensity=0.9, score=0.5, **common))
            if rng.random() < 0.2 / place**0.5:
                found.append(Event("click", product=product, position=place, **common))
        if rng.random() < 0.05:
            found.append(Event("category_switch", category="tea", before="mugs", **common))
        made += len(found)
        yield from found


@contextmanager
def measured(step: str, count: int) -> Iterator[None]:
    """Prints a row of the table."""
    clock, processor = time.perf_counter(), time.process_time()
    yield
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    print(f"| {step} | {clock:.2f} | {processor:.2f} | {count / clock:,.0f} |", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--events", type=int, default=1_000_000)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    kept, parquet = given.work / "events.db", given.work / "events.parquet"
    for old in (kept, parquet, given.work / "events.db-wal", given.work / "events.db-shm"):
        old.unlink(missing_ok=True)
    store = EventStore.at(kept)
    events = list(log(given.events))
    print("| step | seconds | processor seconds | events/s |\n|---|---|---|---|")
    with measured(f"write, {WRITE:,} at a time, durable each time (SQLite)", len(events)):
        for at in range(0, len(events), WRITE):
            store.write(events[at : at + WRITE])
    with measured("export to Parquet", len(events)):
        export_events(store, parquet)
    with measured("load into DuckDB", len(events)), open_export(parquet) as connection:
        connection.execute("create table held as select * from events")
    figures: dict[str, Callable[[], object]] = {
        "CTR by position": lambda: click_rates(parquet),
        "zero-result queries and category changes": lambda: zero_result_statistics(store, START),
        "coverage": lambda: coverage(parquet, PRODUCTS),
        "exploration share": lambda: exploration(parquet),
    }
    for name, figure in figures.items():
        with measured(name, len(events)):
            figure()
    print(f"\n{len(events):,} events; {kept.stat().st_size / 2**20:.0f} MB, as Parquet "
          f"{parquet.stat().st_size / 2**20:.0f} MB.")  # fmt: skip
    store.close()


if __name__ == "__main__":
    main()
