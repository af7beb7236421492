"""Virtual IDs from clicks (arXiv 2102.04667, 2102.04674) by simulated shoppers over photos of grocery. Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/learn_clicks.py --work DIR             # judged on `val`
    SNAPFIND_DATA=... python benchmarks/learn_clicks.py --work DIR --choose    # on a fifth of `train`

A market: every other photo of `train` is an offer of some seller, the 81 studio pictures are the shop's own range, and
the other photos are sent by shoppers (training/data/click_simulator.py), who see the raw encoder's list with its own
range put forward to a quarter of it. Nobody knows a class; sellers file one offer in ten in a wrong leaf category.
Photos of `val` judge:

    recall@1, recall@5   the photo's product among the 81 studio pictures
    offer@1          the nearest offer shows the photo's product
    clicks           mean average precision of what shoppers click when the raw encoder's first 20 are shuffled, read to
                     the end, and then ordered by the method
    leaf@1, tab@1    the category network's leaf (43) and tab (3); "raw" is that of the nearest studio picture

`--choose` judges with the fifth of each product's photos that is least like the others (learn_choice.py), which neither
offers nor shoppers have. Mean and standard deviation over seeds, which draw log, Virtual IDs and learning.
"""

import argparse
import csv
import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from learn_choice import FOLDS, fold_of
from learn_data import frozen, grocery, spread
from numpy.typing import NDArray
from simulation.shoppers import Habits, Ranker, Truth, simulate
from sklearn.metrics import normalized_mutual_info_score

from snapfind.encoders.arrays import unit
from snapfind.evaluation.metrics import average_precision
from snapfind.training.data.click_log import Search
from snapfind.training.loop import TrainingConfig, train
from snapfind.training.losses.margin import Prototypes
from snapfind.training.losses.triplets import cleaned, mined
from snapfind.training.methods.click_module import Clicked, ClickLearner, Weights, click_batches
from snapfind.training.methods.virtual_categories import Leaves, Shares
from snapfind.training.methods.virtual_ids import by_leaf, virtual_ids
from snapfind.training.models.heads import Heads

DIM, BATCH, STEPS, SEARCHES = 128, 48, 60, 8000
OWN = 5  # of 20 places go to the shop's own range
COLUMNS = ("recall@1", "recall@5", "offer@1", "clicks", "leaf@1", "tab@1")
Rows, Numbers = NDArray[np.float32], NDArray[np.int64]


@dataclass(frozen=True)
class Chosen:
    """What was chosen inside `train`: how many Virtual IDs of items and of leaf categories, how long, how fast."""

    count: int = 100
    kinds: int = 15
    epochs: int = 6
    rate: float = 1e-3
    habits: Habits = field(default_factory=Habits)


@dataclass(frozen=True)
class Method:
    """What a row of the table learns from: `classes` of items, triplets, lists, categories."""

    weights: Weights = field(default_factory=Weights)
    classes: str = "virtual"
    filtered: bool = True
    shares: Shares | None = None


def only(**own: float) -> Weights:
    """Those parts of the loss alone."""
    return replace(Weights(classes=0, triplets=0, lists=0), **own)


METHODS = {
    "clicks as labels: every clicked item a class": Method(only(classes=1), "item"),
    "Virtual IDs": Method(only(classes=1)),
    "triplets of clicks, no filter": Method(only(triplets=1), filtered=False),
    "triplets of clicks, noise filter": Method(only(triplets=1)),
    "lists of clicks": Method(only(lists=1)),
    "Virtual IDs + triplets, no filter": Method(replace(Weights(), lists=0), filtered=False),
    "Virtual IDs + triplets, noise filter": Method(replace(Weights(), lists=0)),
    "joint: Virtual IDs + triplets + lists": Method(),
    "joint + category network": Method(shares=Shares(first=0, switch=0)),
    "joint + category network, first click": Method(shares=Shares(switch=0)),
    "joint + category network, first and switch click": Method(shares=Shares()),
}


@dataclass(frozen=True)
class Market:
    """Unit rows and hidden classes of shoppers' photos, items (the first 81 are studio pictures) and judging photos."""

    photos: Rows
    items: Rows
    judges: Rows
    truth: Truth
    judged: Numbers

    @property
    def scores(self) -> Rows:
        """(photos, items) of the raw encoder, its own range put forward."""
        return forward(self.photos @ self.items.T)


def forward(scores: Rows) -> Rows:
    """The own range comes forward by what gives it `OWN` of 20 places, on average."""
    offers, own = np.sort(scores[:, 81:])[:, -(20 - OWN)], np.sort(scores[:, :81])[:, -OWN]
    moved = scores.copy()
    moved[:, :81] += np.median(offers - own)
    return moved


def tabs_of(leaves: Numbers) -> Numbers:
    """(81,) Fruit, Packages or Vegetables, as the folders of the set say."""
    with (Path(os.environ["SNAPFIND_DATA"]) / "grocery" / "classes.csv").open() as table:
        names = [row[4].split("/")[1] for row in list(csv.reader(table))[1:]]
    return np.unique(names, return_inverse=True)[1]


def market(work: Path, choose: bool) -> Market:
    """All of it; `choose` takes the judging photos out of `train`."""
    data = grocery()
    sets = [frozen(data.train, work, "train", 2), frozen(data.val, work, "val"), frozen(data.studio, work, "studio", 2)]
    (rows, val, studio), (own, judged, products) = (
        [unit(np.asarray(one.features[:, 0], np.float32)) for one in sets],
        [one.products for one in sets],
    )
    if choose:
        held = fold_of(rows, own) == FOLDS - 1
        val, judged, rows, own = rows[held], own[held], rows[~held], own[~held]
    truth = Truth(own[1::2], np.concatenate([products, own[::2]]), data.coarse, tabs_of(data.coarse))
    return Market(rows[1::2], np.concatenate([studio, rows[::2]]), val, truth, judged)


def directions(rows: Rows) -> Rows:
    """(width, DIM) in which the features differ most: no label is used."""
    centered = rows - rows.mean(0)
    return np.ascontiguousarray(np.linalg.eigh(centered.T @ centered)[1][:, -DIM:])


def log_of(shop: Market, searches: int, habits: Habits, seed: int) -> tuple[list[Search], Numbers]:
    """The log, and the leaf category that each item is filed in."""
    tabs = shop.truth.tabs[shop.truth.items[(shop.photos @ shop.items[:81].T).argmax(1)]]
    log = simulate(Ranker(shop.scores, tabs), shop.truth, searches, habits, seed)
    rng, leaves = np.random.default_rng([3, seed]), shop.truth.kinds[shop.truth.items]
    wrong = (rng.random(len(leaves)) < 0.1) & (np.arange(len(leaves)) >= 81)
    return log, np.where(wrong, rng.integers(leaves.max() + 1, size=len(leaves)), leaves)


def clicked_of(
    shop: Market, log: list[Search], leaves: Numbers, method: Method, chosen: Chosen, seed: int
) -> tuple[Clicked, Numbers]:
    """What the method learns from, and the Virtual IDs of the leaf categories."""
    count, items = len(shop.photos), len(shop.items)
    virtual = virtual_ids(log, count, items, chosen.count, seed=seed)
    ids = virtual if method.classes == "virtual" else labels_of_clicks(log, count, items)
    triplets = mined(log)
    if method.filtered:
        triplets = cleaned(triplets, shop.photos, shop.items, virtual[0])
    own, kinds = virtual_ids(by_leaf(log, leaves), count, int(leaves.max()) + 1, chosen.kinds, dim=16, seed=seed)
    return Clicked(log, shop.photos, shop.items, *ids, triplets, leaves, kinds), own


def labels_of_clicks(log: list[Search], photos: int, items: int) -> tuple[Numbers, Numbers]:
    """Every item a class; a photo has that of the item that it clicked most."""
    votes = np.zeros((photos, items), np.int64)
    for search in log:
        votes[search.photo, list(search.clicked)] += 1
    return np.arange(items), np.where(votes.any(1), votes.argmax(1), -1)


def learned(
    shop: Market, log: list[Search], leaves: Numbers, method: Method, chosen: Chosen, seed: int
) -> ClickLearner:
    """Heads that begin as the directions of all rows."""
    clicked, own = clicked_of(shop, log, leaves, method, chosen, seed)
    torch.manual_seed(seed)
    rows = np.concatenate([shop.photos, shop.items])
    heads = Heads(directions(rows), shop.photos.mean(0), shop.items.mean(0))
    classes = int(clicked.item_ids.max()) + 1
    tabs = np.zeros(len(own), np.int64)
    tabs[shop.truth.kinds] = shop.truth.tabs
    network = method.shares and Leaves(torch.from_numpy(own), torch.from_numpy(tabs), DIM, method.shares)
    learner = ClickLearner(heads, Prototypes(torch.randn(classes, DIM)), method.weights, network)
    batch, _ = click_batches(clicked, size=BATCH, seed=seed)
    best = train(learner, batch, STEPS, TrainingConfig(chosen.epochs, chosen.rate, seed=seed)).module
    assert isinstance(best, ClickLearner)
    return best


def judged(shop: Market, photos: Rows, items: Rows, asked: list[Search], leaves: Rows) -> list[float]:
    """The columns; unit rows of the judging photos and of the items, and scores of leaves (n, 43)."""
    scores, truth = photos @ items.T, shop.truth
    order = np.argsort(-scores[:, :81], axis=1, kind="stable")[:, :5]
    right = truth.items[order] == shop.judged[:, None]
    offers = truth.items[81:][scores[:, 81:].argmax(1)] == shop.judged
    precisions = []
    for search in asked:
        ranked = sorted(search.shown, key=lambda item, row=scores[search.photo]: -row[item])
        precisions.append(average_precision([str(item) for item in ranked], {str(item) for item in search.clicked}))
    kinds, tabs = truth.kinds[shop.judged], np.zeros(int(truth.kinds.max()) + 1, np.int64)
    tabs[truth.kinds] = truth.tabs
    summed = np.stack([np.exp(leaves) @ (tabs == tab)[: leaves.shape[1]] for tab in range(tabs.max() + 1)], 1)
    found = [right[:, 0], right.any(1), offers, precisions, leaves.argmax(1) == kinds, summed.argmax(1) == tabs[kinds]]
    return [float(np.mean(own)) for own in found]


def asked_of(shop: Market) -> list[Search]:
    """What shoppers with the judging photos click in the raw encoder's first 20, shuffled and read to the end."""
    scores, rng = forward(shop.judges @ shop.items.T), np.random.default_rng(5)
    shuffled = np.full_like(scores, -np.inf)
    for row, best in zip(shuffled, np.argsort(-scores, axis=1)[:, :20]):
        row[best] = rng.random(20)
    truth = replace(shop.truth, photos=shop.judged, tabs=None)
    return simulate(Ranker(shuffled), truth, 2000, replace(Habits(), patience=1.0, wobble=0.0), seed=6)


def row(shop: Market, best: ClickLearner, asked: list[Search]) -> list[float]:
    """The columns of what was learned."""
    photos, items = (
        best.vectors(torch.from_numpy(side), query=query) for side, query in ((shop.judges, True), (shop.items, False))
    )
    with torch.no_grad():
        leaves = best.leaves.scores(photos).log_softmax(1).numpy() if best.leaves else np.zeros((len(photos), 1))
    found = judged(shop, photos.numpy(), items.numpy(), asked, leaves)
    return found if best.leaves else found[:4]


def raw(shop: Market, asked: list[Search]) -> list[float]:
    """The columns of the raw encoder; a leaf is as likely as its best studio picture is near."""
    leaves = np.full((len(shop.judges), int(shop.truth.kinds.max()) + 1), -np.inf)
    np.maximum.at(leaves.T, shop.truth.kinds, 50 * (shop.judges @ shop.items[:81].T).T)
    return judged(shop, shop.judges, shop.items, asked, leaves)


def line(name: str, found: list[list[float]]) -> None:
    """One line of the table, over seeds."""
    cells = [spread(own) if len(own) > 1 else f"{own[0]:.3f}" for own in zip(*found)]
    print(f"| {name} | {' | '.join([*cells, *[''] * (len(COLUMNS) - len(cells))])} |", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--searches", type=int, nargs="*", default=[SEARCHES])
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--change", type=json.loads, default={}, help="of what was chosen, in JSON")
    parser.add_argument("--habits", type=json.loads, default={}, help="of the shoppers, in JSON")
    parser.add_argument("--only", nargs="*", default=[], help="rows with one of these words")
    given = parser.parse_args()
    torch.set_num_threads(1)
    shop = market(given.work, given.choose)
    asked = asked_of(shop)
    chosen = Chosen(**given.change, habits=Habits(**given.habits))
    methods = {name: own for name, own in METHODS.items() if not given.only or any(word in name for word in given.only)}
    print(
        f"{len(shop.items)} items, {len(shop.photos)} shoppers' photos, {len(shop.judged)} judge, {given.seeds} seeds"
    )
    for searches in given.searches:
        logs = [log_of(shop, searches, chosen.habits, seed) for seed in range(given.seeds)]
        told = [facts(shop, *log, chosen, seed) for seed, log in enumerate(logs)]
        print(f"\n{searches:,} searches; {', '.join(f'{k} {spread([own[k] for own in told])}' for k in told[0])}\n")
        print(f"| learned from | {' | '.join(COLUMNS)} |\n|---|{'---|' * len(COLUMNS)}")
        line("nothing (raw)", [raw(shop, asked)])
        for name, method in methods.items():
            line(name, [row(shop, learned(shop, *log, method, chosen, seed), asked) for seed, log in enumerate(logs)])


def facts(shop: Market, log: list[Search], leaves: Numbers, chosen: Chosen, seed: int) -> dict[str, float]:
    """What a log is like, and how near its Virtual IDs come to what is hidden."""
    ids = virtual_ids(log, len(shop.photos), len(shop.items), chosen.count, seed=seed)
    own = virtual_ids(by_leaf(log, leaves), len(shop.photos), int(leaves.max()) + 1, chosen.kinds, dim=16, seed=seed)[0]
    hidden, known = shop.truth, ids[0] >= 0
    pairs = [(hidden.photos[one.photo], hidden.items[item]) for one in log for item in one.clicked]
    return {
        "searches with a click": len(log),
        "clicks a search": len(pairs) / len(log),
        "clicks on the product itself": float(np.mean([left == right for left, right in pairs])),
        "clicks on the own range": float(np.mean([item < 81 for one in log for item in one.clicked])),
        "tab changed": float(np.mean([one.switched >= 0 for one in log])),
        "items with a Virtual ID": float(known.mean()),
        "NMI of Virtual IDs with products": normalized_mutual_info_score(hidden.items[known], ids[0][known]),
        "Virtual categories": len(set(own[own >= 0].tolist())),
    }


if __name__ == "__main__":
    main()
