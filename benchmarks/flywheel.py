"""Ten turns of the flywheel with simulated shoppers on grocery, then a poisoned log. Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/flywheel.py [--turns 10] [--photos 240] [--seed 0]

The shop is the 81 studio pictures. In each turn shoppers photograph what stands in front of them (photos of `train`,
each used once), search in the real catalog, and click as training/data/click_simulator.py's habits say: the thing
itself with .7, its kin with .08, anything with .03, each time with falling patience down the list. Their photos are
kept, their acts are events. While a model is on trial every session sees the interleaved answers. Then the trial is
concluded (the model with more votes answers from now on: sixty sessions are too few for a proof) and a turn is run:
labels are what was clicked, the frozen set is 100 photos of `train` that no shopper uses. `val` is asked after every
turn, for this table alone: no decision sees it.
"""

import argparse
import csv
import os
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from query_latency import small_shop
from simulation.shoppers import Habits

from snapfind.catalog.catalog import Catalog
from snapfind.catalog.models.trial import takes_part
from snapfind.evaluation.queries import LabeledQuery
from snapfind.evaluation.report import Figure, Report
from snapfind.evaluation.run import evaluate
from snapfind.events.event import Event
from snapfind.flywheel.config import FlywheelConfig
from snapfind.flywheel.run import conclude_experiment, run_flywheel
from snapfind.media.image.decode import Limits, load

FROZEN, A_SESSION, DEPTH = 100, 4, 20
HABITS = Habits()


def labeled(data: Path, split: str) -> list[LabeledQuery]:
    """The photos of a split and what they show."""
    with (data / "classes.csv").open() as table:
        names = [row[0] for row in list(csv.reader(table))[1:]]
    lines = [line.split(", ") for line in (data / f"{split}.txt").read_text().splitlines()]
    return [LabeledQuery(path, data / path, None, frozenset({names[int(fine)]})) for path, fine, _ in lines]


def shopper(
    catalog: Catalog, asked: LabeledQuery, session: str, kinds: dict[str, str], rng: Generator
) -> tuple[bool, bool]:
    """One search with its events; whether anything was clicked, and whether the first hit was."""
    search = f"s{rng.integers(2**62):016x}"
    photo = load(asked.photo, Limits.of(catalog.settings), side=448)
    trial = catalog.trial
    if trial is not None and takes_part(trial, session):
        answer, tried = catalog.search_interleaved(photo, search, limit=DEPTH)
        catalog.trial_log.note(replace(tried, search=search))
    else:
        answer = catalog.search(photo, limit=DEPTH)
    box = answer.box
    catalog.query_photos.keep(search, photo.crop(box.pixels(*photo.size)) if box else photo)
    (right,) = asked.products
    found = [hit.product.id for hit in answer]
    chances = [
        HABITS.same if one == right else HABITS.kin if kinds[one] == kinds[right] else HABITS.other for one in found
    ]
    clicked = rng.random(len(found)) < np.array(chances) * HABITS.patience ** np.arange(len(found))
    now = datetime.now(UTC)
    told = {"search": search, "session": session, "at": now}
    events = [Event("search", photos=1, results=tuple(found), verdict=answer.verdict, **told)]
    # who looks for a thing clicks it last and goes
    order = sorted(np.flatnonzero(clicked), key=lambda place: (found[place] == right, place))
    events += [
        Event("click", product=found[at], position=int(at) + 1, **{**told, "at": now.replace(microsecond=number)})
        for number, at in enumerate(order)
    ]
    catalog.events.write(events)
    return bool(clicked.any()), bool(clicked[0])


def bots(catalog: Catalog, photos: list[LabeledQuery], product: str, rng: Generator) -> None:
    """Each is a session of its own, searches with some photo and clicks one product, wherever it stands."""
    for number, asked in enumerate(photos):
        search, session = f"b{rng.integers(2**62):016x}", f"bot {number}"
        photo = load(asked.photo, Limits.of(catalog.settings), side=448)
        catalog.query_photos.keep(search, photo)
        found = tuple(hit.product.id for hit in catalog.search(photo, limit=DEPTH))
        catalog.events.write(
            [
                Event("search", search=search, session=session, photos=1, results=found),
                Event("click", search=search, session=session, product=product, position=1),
            ]
        )


def recall_at_1(catalog: Catalog, asked: list[LabeledQuery]) -> Figure:
    """Of the model that answers."""
    return Report(tuple(evaluate(catalog, asked)[0])).figures("product")["precision@1"]


def day(catalog: Catalog, photos: list[LabeledQuery], number: int, kinds: dict[str, str], rng: Generator) -> str:
    """Shoppers of one turn: parts of the searches with a click, and with a click on the first hit."""
    told = [
        shopper(catalog, asked, f"shopper {number}.{place // A_SESSION}", kinds, rng)
        for place, asked in enumerate(photos)
    ]
    return " | ".join(f"{np.mean([one[at] for one in told]):.3f}" for at in (0, 1))


def simulate(catalog: Catalog, data: Path, given: argparse.Namespace) -> None:
    """The table."""
    rng = np.random.default_rng(given.seed)
    train, val = labeled(data, "train"), labeled(data, "val")
    order = rng.permutation(len(train))
    frozen, street = [train[at] for at in order[:FROZEN]], [train[at] for at in order[FROZEN:]]
    kinds = {product.id: product.category for product in catalog.products()}
    config = FlywheelConfig(
        depth=given.depth, share=1, max_slice_loss=0.2, min_slice_photos=20, max_loss=0.0, seed=given.seed
    )
    print("| turn | searches with a click | on the first hit | trial | labels | decision | `val` recall@1 |")
    print("|---|---|---|---|---|---|---|")
    print(f"| before | | | | | | {recall_at_1(catalog, val)} |", flush=True)
    for number in range(1, given.turns + 1):
        photos = street[(number - 1) * given.photos : number * given.photos]
        clicks, trial = day(catalog, photos, number, kinds, rng), ""
        if catalog.trial is not None:
            ended = conclude_experiment(catalog, votes=10, alpha=1, force=True)
            new, old = ended.experiment["other"], ended.experiment["active"]
            trial = f"{ended.decision}, {new} of {new + old} votes"
        record = run_flywheel(catalog, config, frozen)
        cells = (number, clicks, trial, record.data["photos"], record.decision, recall_at_1(catalog, val))
        print(f"| {' | '.join(map(str, cells))} |", flush=True)
    if catalog.trial is not None:
        catalog.models.try_out(None)
    before = recall_at_1(catalog, val)
    bots(catalog, street[: 2 * given.photos], min(kinds), rng)
    record = run_flywheel(catalog, config, frozen)
    after = recall_at_1(catalog, val)
    print(f"\n{2 * given.photos} bots click one product: {record.decision}, {record.reason}.")
    print(f"`val` {before}, then {after}.")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", choices=["fit", "heads", "blocks"], default="fit", help="what learns")
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--photos", type=int, default=240)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    data = Path(os.environ["SNAPFIND_DATA"]) / "grocery"
    with tempfile.TemporaryDirectory() as folder, small_shop(data, Path(folder)) as catalog:
        simulate(catalog, data, given)


if __name__ == "__main__":
    main()
