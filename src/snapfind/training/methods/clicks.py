"""The catalog's event log as searches to learn from, and learning from it to the artifact.

What is read: ids of searches and of products, order and kind of what happened. What is not: sessions, texts, filters,
categories and switches of them (docs/methods/virtual-ids.md says why); searches of one shopper are not joined. Most
photos are not kept, so in place of the photo of a search stands a photo of the product that it clicked first: a
labeled one where the shop has any, else its picture photographed again. The artifact holds weights and counts, no
search.
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
from snapfind.training.losses.triplets import cleaned, mined
from snapfind.training.methods.click_module import Clicked, ClickLearner, Weights, click_batches
from snapfind.training.methods.virtual_ids import virtual_ids
from snapfind.training.validation import encode_view
from snapfind.training.weight_interpolation import append_closed_form

__all__ = ["PLAN", "from_log", "searches_of"]

PLAN = TrainingConfig(epochs=8, rate=1e-3)
_LEAST = 20  # searches with a click
_CHOSEN = {"click", "cart", "purchase"}
_VIEWS, _DIM, _BATCH, _STEPS = 4, 256, 64, 60


def searches_of(log: Iterable[Event], products: Mapping[str, int]) -> list[Search]:
    """Events in order of time -> the searches with a click on a product that is known, numbered 0, 1, …

    `products` are numbers of the catalog's products by id. What was shown is the list of the search, then what was
    reported as shown or clicked besides.
    """
    shown: dict[str, dict[int, None]] = {}
    clicked: dict[str, dict[int, None]] = {}
    for event in log:
        own = shown.setdefault(event.search, {})
        ids = event.results if event.kind == "search" else (event.product,) if event.product else ()
        own.update(dict.fromkeys(products[product] for product in ids if product in products))
        if event.kind in _CHOSEN and event.product in products:
            clicked.setdefault(event.search, {})[products[event.product]] = None
    clicked.pop("", None)  # a click that names no search
    return [Search(number, tuple(shown[search]), tuple(own)) for number, (search, own) in enumerate(clicked.items())]


def from_log(
    shown: Sequence[Sample],
    searches: Sequence[Search],
    folder: Path,
    work: Path,
    *,
    plan: TrainingConfig = PLAN,
    weights: Weights | None = None,
    count: int = 0,
    dim: int = _DIM,
    views: int = _VIEWS,
    parent: Path = SHIPPED,
    command: str = "",
    progress: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> Adapted:
    """Heads from clicks: `count` Virtual IDs (0: one for every three products clicked), triplets and lists.

    Raises BadInput on fewer than 20 searches with a click, and as `prepare_run` does.
    """
    if len(searches) < _LEAST:
        raise BadInput(f"the log has {len(searches)} search(es) with a click; learning from clicks needs {_LEAST}")
    run = prepare_run(shown, work, depth="heads", views=views, seed=plan.seed, parent=parent, progress=progress)
    photos, items = _features(run, searches, plan.seed)
    count = count or max(2, len({item for search in searches for item in search.clicked}) // 3)
    ids = virtual_ids(searches, len(searches), run.products, count, seed=plan.seed)
    triplets = cleaned(mined(searches), photos, items, ids[0])
    batch, steps = click_batches(Clicked(searches, photos, items, *ids, triplets), size=_BATCH, seed=plan.seed)
    seen = encode_samples(run.body, run.source, run.synthetic, run.photos)
    heads, _ = initialize_heads(seen, run.products, dim, plan.seed)
    torch.manual_seed(plan.seed)
    prototypes = Prototypes(torch.randn(count, heads.query.shape[1]))
    learner = ClickLearner(heads, prototypes, weights or Weights())
    outcome = train(
        *(learner, batch, min(steps, _STEPS), plan),
        score=run.validator.score,
        checkpoint_folder=work / "checkpoint-clicks",
        data_fingerprint=fingerprint(run.fingerprint, learner.weights, count, searches),
        on_epoch=on_epoch,
    )
    best = outcome.module
    assert isinstance(best, ClickLearner)
    best.heads = append_closed_form(best.heads, seen)
    facts = {
        "command": command,
        "seed": plan.seed,
        "recipe": {"plan": asdict(plan), "weights": asdict(best.weights)},
        "log": {"searches": len(searches), "virtual_ids": count, "triplets": len(triplets)},
    }
    return finish_run(run, best, best.heads, run.body, outcome, folder, facts)


def _features(
    run: AdaptationRun, searches: Sequence[Search], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(searches, width) of what stands in for their photos, (products, width) the mean of each product's pictures."""
    rng, studio, source = np.random.default_rng([seed, 4]), run.validator.studio, run.source
    rows = encode_view(run.body, source, studio, 0)
    items = np.zeros((run.products, rows.shape[1]), np.float32)
    np.add.at(items, source.products[studio], rows)
    standing = {product: np.flatnonzero(source.products[run.photos] == product) for product in range(len(items))}
    views = [encode_view(run.body, source, run.photos, view) for view in range(1, min(source.views, _VIEWS))]
    photos = np.empty((len(searches), rows.shape[1]), np.float32)
    for row, search in zip(photos, searches):
        own = standing[search.clicked[0]]
        row[:] = views[rng.integers(len(views))][rng.choice(own)] if len(own) else items[search.clicked[0]]
    return unit(photos), unit(items)
