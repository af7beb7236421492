"""Settings of catalog adaptation, chosen inside `train` of grocery. Prints Markdown; `val` is not touched.

    SNAPFIND_DATA=... python benchmarks/learn_choice.py --work DIR --folds 4 --epochs 8 \\
        '{}' '{"hidden": 0.35}' '{"mixed": 1.0}'

Photos of a product resemble each other, so photos held out at random say .99 and so do contiguous fifths (.968 after
six epochs). A fold here is a fifth of each product's photos along their first principal direction in raw features: the
first and the last hold photos unlike the others, as another shop or another day would give. Each argument is a recipe,
as changes to the default one in JSON; `rate` and `body` are the learning rates of the heads and of the blocks. `--work`
keeps the maps, of `--views` views up to the block `--first`.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from learn_data import Grocery, grocery

from snapfind.encoders.image.efficientnet import Builtin
from snapfind.training.data.batches import make_batches
from snapfind.training.data.feature_cache import FeatureCache, build_feature_cache, load_frozen_front
from snapfind.training.export import SHIPPED
from snapfind.training.initialization import encode_samples, initialize_heads
from snapfind.training.loop import TrainingConfig, train
from snapfind.training.methods.catalog_adaptation import LADDER, Step
from snapfind.training.models.adaptation import ProductRecognizer, Tail
from snapfind.training.models.efficientnet import read_network
from snapfind.training.validation import RetrievalValidator, encode_view

FOLDS = 5


def fold_of(features: np.ndarray, products: np.ndarray) -> np.ndarray:
    """(n, d) raw features and (n,) products -> (n,) fold 0..4, along the first direction within each product."""
    folds = np.empty(len(products), np.int64)
    for product in np.unique(products):
        rows = np.flatnonzero(products == product)
        centered = features[rows] - features[rows].mean(axis=0)
        along = centered @ np.linalg.svd(centered, full_matrices=False)[2][0]
        folds[rows[np.argsort(along)]] = np.arange(len(rows)) * FOLDS // len(rows)
    return folds


def maps_of(data: Grocery, first: str, views: int, work: Path) -> FeatureCache:
    """Those that benchmarks/learn_catalog.py makes, so that either may use the other's."""
    front = load_frozen_front(SHIPPED / "model.onnx", first, torch.get_num_threads())
    work.mkdir(parents=True, exist_ok=True)
    file = work / f"maps{first}.f16"
    return build_feature_cache(
        [*data.train, *data.studio], front, Builtin.load().preprocessing, file, views=views, seed=0
    )


def recall_at_1(
    maps: FeatureCache, held: np.ndarray, first: str, step: Step, changes: dict[str, float], epochs: int, seed: int
) -> tuple[float, float]:
    """After every epoch; the last, and the best."""
    changes = dict(changes)
    rate, body = changes.pop("rate", step.training.rate), changes.pop("body", step.training.rates["body"])
    network = read_network(SHIPPED)
    tail = Tail(network, network.names.index(first))
    again, photos = np.zeros(len(held), bool), np.flatnonzero(~held & maps.queries)
    judge = RetrievalValidator(maps, held)
    seen = encode_samples(tail, maps, again, photos)
    learner = ProductRecognizer(
        tail, *initialize_heads(seen, int(maps.products.max()) + 1, step.dim, seed), replace(step.config, **changes)
    )
    batch, steps = make_batches(maps, again, photos, size=step.batch, seed=seed)
    training = TrainingConfig(epochs=epochs, rate=rate, rates={"body": body}, seed=seed)
    outcome = train(learner, batch, steps, training, score=judge.score)
    scores = [told.score or 0.0 for told in outcome.history]
    return scores[-1], max(scores)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="+", type=json.loads)
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(FOLDS)))
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--views", type=int, default=LADDER["blocks"].views)
    parser.add_argument("--first", default=read_network(SHIPPED).last_stage)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    data = grocery()
    step = replace(LADDER["blocks"], views=given.views)
    maps = maps_of(data, given.first, step.views, given.work)
    folds, photos = np.full(len(maps.products), -1), np.flatnonzero(maps.queries)
    network = read_network(SHIPPED)
    raw = encode_view(Tail(network, network.names.index(given.first)), maps, photos, 0)
    folds[photos] = fold_of(raw, maps.products[photos])
    print("| config | fold | recall@1 after the last epoch | the best | minutes |\n|---|---|---|---|---|", flush=True)
    for config in given.configs:
        for fold in given.folds:
            begun = time.monotonic()
            last, best = recall_at_1(maps, folds == fold, given.first, step, config, given.epochs, given.seed)
            minutes = (time.monotonic() - begun) / 60
            print(f"| {json.dumps(config)} | {fold} | {last:.3f} | {best:.3f} | {minutes:.1f} |", flush=True)


if __name__ == "__main__":
    main()
