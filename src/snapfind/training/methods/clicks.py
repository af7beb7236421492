"""Training on clicks of the catalog's event log: from events to the artifact.

Only ids of searches and products and the order and kind of events are read, not sessions, texts, filters and categories
(docs/methods/virtual-ids.md says why). Most query photos are not stored. The photo of a search is therefore replaced by
a photo of the product that was clicked first: a labeled one if there is any, else a synthetic one. The artifact
contains weights and counts, but no search.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from snapfind.core.errors import BadInput
from snapfind.encoders.arrays import unit
from snapfind.events.event import Event
from snapfind.training.adaptation_run import AdaptationRun, Adapted, finish_run, prepare_run
from snapfind.training.checkpoint import fingerprint
from snapfind.training.data.augmentation import Sample
from snapfind.training.data.click_log import Search
from snapfind.training.export import SHIPPED
from snapfind.training.initialization import encode_samples, initialize_heads
from snapfind.training.loop import EpochMetrics, TrainingConfig, train
from snapfind.training.losses.margin import Prototypes
from snapfind.training.losses.triplets import clean_triplets, mine_triplets
from snapfind.training.methods.click_module import Clicked, ClickLearner, Weights, click_batches
from snapfind.training.methods.virtual_ids import virtual_ids
from snapfind.training.validation import encode_view
from snapfind.training.weight_interpolation import append_closed_form

__all__ = ["TRAINING", "from_log", "searches_of"]

TRAINING = TrainingConfig(epochs=8, rate=1e-3)
_LEAST = 20  # searches with a click
_CHOSEN = {"click", "cart", "purchase"}
_VIEWS, _DIM, _BATCH, _STEPS = 4, 256, 64, 60


def searches_of(log: Iterable[Event], products: Mapping[str, int]) -> list[Search]:
    """Collect the searches with a click on a known product.

    The results of a search are its result list, followed by further products that were reported as shown or clicked.

    Args:
        log: Events in order of time.
        products: Product ids with their numbers.

    Returns:
        The searches, whose photos are numbered 0, 1, ….
    """
    results: dict[str, dict[int, None]] = {}
    clicked: dict[str, dict[int, None]] = {}
    for event in log:
        of_search = results.setdefault(event.search, {})
        ids = event.results if event.kind == "search" else (event.product,) if event.product else ()
        of_search.update(dict.fromkeys(products[product] for product in ids if product in products))
        if event.kind in _CHOSEN and event.product in products:
            clicked.setdefault(event.search, {})[products[event.product]] = None
    clicked.pop("", None)  # a click that names no search
    return [
        Search(number, tuple(results[search]), tuple(items)) for number, (search, items) in enumerate(clicked.items())
    ]


def from_log(
    samples: Sequence[Sample],
    searches: Sequence[Search],
    folder: Path,
    work: Path,
    *,
    training: TrainingConfig = TRAINING,
    weights: Weights | None = None,
    count: int = 0,
    dim: int = _DIM,
    views: int = _VIEWS,
    parent: Path = SHIPPED,
    command: str = "",
    progress: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> Adapted:
    """Train heads on clicks: Virtual IDs, triplets and result lists.

    Args:
        samples: Photos and studio images of the catalog.
        searches: Searches with clicks.
        folder: Folder of the new artifact.
        work: Folder of the feature cache and the checkpoint.
        training: Training configuration.
        weights: Weights of the parts of the loss.
        count: Number of Virtual IDs. 0: one for every three clicked products.
        dim: Dimension of the output vectors.
        views: Views per sample.
        parent: Artifact folder of the encoder to adapt.
        command: Command line, stored in the manifest.
        progress: Called with (samples done, samples in all) while views are encoded.
        on_epoch: Called with the metrics of each epoch.

    Returns:
        The written encoder and its recall@1 on the held-out photos.

    Raises:
        BadInput: There are fewer than 20 searches with a click. Also as `prepare_run` and `train`.
        NoRoom: The disk is full.
    """
    if len(searches) < _LEAST:
        raise BadInput(f"The log has {len(searches)} search(es) with a click. Training on clicks needs {_LEAST}.")
    run = prepare_run(samples, work, depth="heads", views=views, seed=training.seed, parent=parent, progress=progress)
    photos, items = _features(run, searches, training.seed)
    count = count or max(2, len({item for search in searches for item in search.clicked}) // 3)
    ids = virtual_ids(searches, len(searches), run.products, count, seed=training.seed)
    triplets = clean_triplets(mine_triplets(searches), photos, items, ids[0])
    batch, steps = click_batches(Clicked(searches, photos, items, *ids, triplets), size=_BATCH, seed=training.seed)
    encoded = encode_samples(run.body, run.source, run.synthetic, run.photos)
    heads, _ = initialize_heads(encoded, run.products, dim, training.seed)
    torch.manual_seed(training.seed)
    prototypes = Prototypes(torch.randn(count, heads.query.shape[1]))
    learner = ClickLearner(heads, prototypes, weights or Weights())
    outcome = train(
        *(learner, batch, min(steps, _STEPS), training),
        score=run.validator.score,
        checkpoint_folder=work / "checkpoint-clicks",
        data_fingerprint=fingerprint(run.fingerprint, learner.weights, count, searches),
        on_epoch=on_epoch,
    )
    best = outcome.module
    assert isinstance(best, ClickLearner)
    best.heads = append_closed_form(best.heads, encoded)
    facts = {
        "command": command,
        "seed": training.seed,
        "config": {"training": asdict(training), "weights": asdict(best.weights)},
        "log": {"searches": len(searches), "virtual_ids": count, "triplets": len(triplets)},
    }
    return finish_run(run, best, best.heads, run.body, outcome, folder, facts)


def _features(
    run: AdaptationRun, searches: Sequence[Search], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (searches, width) features in place of the photos and (products, width) mean features of the images."""
    rng, studio, source = np.random.default_rng([seed, 4]), run.validator.studio, run.source
    rows = encode_view(run.body, source, studio, 0)
    items = np.zeros((run.products, rows.shape[1]), np.float32)
    np.add.at(items, source.products[studio], rows)
    photos_of = {product: np.flatnonzero(source.products[run.photos] == product) for product in range(len(items))}
    views = [encode_view(run.body, source, run.photos, view) for view in range(1, min(source.views, _VIEWS))]
    photos = np.empty((len(searches), rows.shape[1]), np.float32)
    for row, search in zip(photos, searches):
        candidates = photos_of[search.clicked[0]]
        row[:] = (
            views[rng.integers(len(views))][rng.choice(candidates)] if len(candidates) else items[search.clicked[0]]
        )
    return unit(photos), unit(items)
