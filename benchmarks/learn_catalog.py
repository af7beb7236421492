"""Catalog adaptation on grocery: fitted on `train`, reported on `val`. Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/learn_catalog.py --depth blocks --work DIR
    SNAPFIND_DATA=... python benchmarks/learn_catalog.py --depth blocks --minutes 5 --work DIR
    SNAPFIND_DATA=... python benchmarks/learn_catalog.py --depth heads --photos 1 2 5 10 --work DIR
    SNAPFIND_DATA=... python benchmarks/learn_catalog.py --depth heads --studio-only --work DIR
    SNAPFIND_DATA=... python benchmarks/learn_catalog.py --depth blocks --studio-only --asked third --work DIR
    SNAPFIND_DATA=... python benchmarks/learn_catalog.py --parent FOLDER --work DIR

recall@1, recall@5, category@1: a photo of `val` against the 81 studio pictures; `kNN`: its nearest photo of `train`,
by the query side. Where not all of `train` was learned from, `--asked third` asks with every third of its other
photos, to choose by, and `--asked rest` with those that are left.
Intervals are 95 % bootstrap over the photos. `--work` keeps maps and checkpoints: a run that was stopped goes on.
Seconds are of the wall and of the processor, which differ on a machine that does other work too.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from learn_data import Grocery, cells, figure, grocery, labels_of

from snapfind.encoders.adapters.fit import fit
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.training.data.augmentation import Sample
from snapfind.training.export import SHIPPED
from snapfind.training.loop import EpochMetrics
from snapfind.training.methods.catalog_adaptation import LADDER, adapt, within


def few(photos: list[Sample], count: int, seed: int) -> list[Sample]:
    """At most `count` photos of each product, drawn."""
    order = np.random.default_rng(seed).permutation(len(photos))
    seen: dict[int, int] = {}
    chosen = []
    for place in order:
        product = photos[place].product
        seen[product] = seen.get(product, 0) + 1
        if seen[product] <= count:
            chosen.append(int(place))
    return [photos[place] for place in sorted(chosen)]


def row(name: str, encoder: Builtin, data: Grocery, asked: list[Sample], against: list[Sample]) -> None:
    """One line of the table: photos `asked` against the studio pictures, and `against` other photos."""
    labels = labels_of(asked)
    photos = encoder.images([one.load() for one in asked], "query")
    studio = encoder.images([one.load() for one in data.studio], "document")
    found = cells(photos, labels, studio, data.coarse)
    if against:
        others = encoder.images([one.load() for one in against], "query")
        found.append(figure(labels_of(against)[(photos @ others.T).argmax(axis=1)] == labels))
    print(f"| {name} | {' | '.join(found)} |", flush=True)


def tell(told: EpochMetrics) -> None:
    """Progress."""
    print(f"epoch {told.epoch}/{told.epochs} loss {told.loss:.3f} {told.speed:.0f}/s held out {told.score}", flush=True)


def learn(name: str, data: Grocery, photos: list[Sample], given: argparse.Namespace, tag: str) -> None:
    """One artifact and its line."""
    begin, used = time.monotonic(), time.process_time()
    again = [replace(one, how="synthetic") for one in data.studio] if not photos else []
    shown = [*photos, *data.studio, *again]
    step = within(given.depth, given.minutes, shown, given.seed)
    step = replace(step, alpha=given.part or step.alpha, views=given.views or step.views)
    if given.epochs:
        step = replace(step, training=replace(step.training, epochs=given.epochs))
    work = given.work / tag
    command = (
        f"python benchmarks/learn_catalog.py --depth {given.depth} --minutes {given.minutes:g} --seed {given.seed}"
    )
    found = adapt(
        shown,
        work / "artifact",
        work,
        depth=given.depth,
        step=step,
        parent=given.parent,
        command=command,
        on_epoch=tell,
    )
    wall, processor = time.monotonic() - begin, time.process_time() - used
    name = f"{name}, {len(found.outcome.history)} epochs, {wall / 60:.1f} min (processor {processor / 60:.1f})"
    row(name, found.encoder, data, asked(data, photos, given.asked), data.train if given.neighbors else [])


def asked(data: Grocery, learned: list[Sample], which: str) -> list[Sample]:
    """`val`, or photos of `train` that were not learned from: a third to choose by, the rest to report."""
    used = {id(one) for one in learned}
    others = [one for one in data.train if id(one) not in used]
    third = others[::3]
    return {"val": data.val, "third": third, "rest": [one for place, one in enumerate(others) if place % 3]}[which]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", choices=LADDER, default="blocks")
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--views", type=int, default=0, help="of each picture; by default as the ladder says")
    parser.add_argument("--part", type=float, help="of the way from raw weights to learned ones")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parent", type=Path, default=SHIPPED, help="artifact that learns; the shipped one by default")
    parser.add_argument("--photos", type=int, nargs="*", default=[], help="photos a product; all by default")
    parser.add_argument("--studio-only", action="store_true")
    parser.add_argument("--asked", choices=("val", "third", "rest"), default="val", help="photos that judge")
    parser.add_argument("--raw", action="store_true", help="the shipped encoder's line too")
    parser.add_argument("--neighbors", action="store_true", help="kNN over the photos of train too")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    data = grocery()
    by = asked(data, [], given.asked)
    print(f"n = {len(by)} photos\n\n| encoder | recall@1 | recall@5 | category@1 | kNN |\n|---|---|---|---|---|")
    if given.raw:
        encoder, against = Builtin.load(str(given.parent)), data.train if given.neighbors else []
        row("raw", encoder, data, by, against)
        if given.studio_only:
            row("`model fit`", encoder.adapted(fit([one.load() for one in data.studio], encoder)), data, by, against)
    tag = f"{given.depth}-{given.minutes:g}-{given.seed}" + (f"-{given.epochs}" if given.epochs else "")
    if given.studio_only:
        learn(f"{given.depth}, studio pictures only", data, [], given, tag + "-studio")
    for count in given.photos:
        learn(
            f"{given.depth}, {count} photo(s) a product",
            data,
            few(data.train, count, given.seed),
            given,
            f"{tag}-{count}",
        )
    if not given.photos and not given.studio_only:
        learn(given.depth, data, data.train, given, tag)


if __name__ == "__main__":
    main()
