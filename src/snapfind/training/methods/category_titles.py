"""Products of picture and title (category_attention.py) on a shop's own pictures: does the title help photo search?

Each product is a class. Patches are the 7 by 7 cells before the network's last convolution, words the vectors of the
text encoder. Two models learn alike, one without words; both are asked with the photos held out. The shop floor makes
vectors of products from pictures alone, so what is learned here is measured and kept, and answers no search.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from snapfind.core.atomic import whole
from snapfind.core.errors import BadInput
from snapfind.encoders.base import Encoder
from snapfind.training.adaptation_run import AdaptationRun, prepare_run
from snapfind.training.checkpoint import fingerprint
from snapfind.training.data.augmentation import Sample
from snapfind.training.export import SHIPPED
from snapfind.training.loop import EpochMetrics, TrainingConfig, train
from snapfind.training.methods.category_attention import Document, PhotoToProduct

__all__ = ["PLAN", "Titled", "by_titles", "concepts_of"]

PLAN = TrainingConfig(epochs=12, rate=2e-3)
_VIEWS, _DIM, _BATCH, _WORDS = 2, 128, 64, 8


@dataclass(frozen=True)
class Titled:
    """Recall@1 of `judged` photos: by the raw encoder, learned from pictures alone, and from pictures and titles."""

    judged: int
    raw: float
    pictures: float
    titles: float


def by_titles(
    shown: Sequence[Sample],
    titles: Sequence[str],
    text: Encoder,
    folder: Path,
    work: Path,
    *,
    plan: TrainingConfig = PLAN,
    parent: Path = SHIPPED,
    progress: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> Titled:
    """`titles` of the products by number. Raises BadInput where no product has one, and as `prepare_run` does."""
    if not any(title.strip() for title in titles):
        raise BadInput("no product has a title; learning from titles needs some")
    run = prepare_run(shown, work, depth="layer", views=_VIEWS, seed=plan.seed, parent=parent, progress=progress)
    concepts, there = concepts_of(titles, text)
    found, best = {}, None
    for name, words in (("pictures", torch.zeros_like(there)), ("titles", there)):
        best = _learned(run, concepts, words, plan, work / f"checkpoint-{name}", on_epoch)
        found[name] = _recall(run, best, concepts, words)
    assert best is not None
    done = Titled(len(run.validator.photos), run.parent_recall, found["pictures"], found["titles"])
    _save(folder, best, {"seed": plan.seed, "recipe": asdict(plan), "metrics": asdict(done)})
    return done


def concepts_of(titles: Sequence[str], text: Encoder) -> tuple[Tensor, Tensor]:
    """(n, 8, t) vectors of the first words of each title, and which of these there are (n, 8) bool."""
    told = [title.split()[:_WORDS] for title in titles]
    distinct = {word: number for number, word in enumerate(sorted({word for own in told for word in own}))}
    vectors = torch.from_numpy(text.texts(list(distinct), role="document"))
    concepts, there = torch.zeros(len(told), _WORDS, vectors.shape[1]), torch.zeros(len(told), _WORDS, dtype=torch.bool)
    for row, own, words in zip(concepts, there, told):
        row[: len(words)] = vectors[[distinct[word] for word in words]]
        own[: len(words)] = True
    return concepts - vectors.mean(0), there


def _learned(
    run: AdaptationRun,
    concepts: Tensor,
    there: Tensor,
    plan: TrainingConfig,
    kept: Path,
    on_epoch: Callable[[EpochMetrics], None] | None,
) -> PhotoToProduct:
    photos, source, studio = run.photos, run.source, run.validator.studio
    torch.manual_seed(plan.seed)
    model = PhotoToProduct(_patches(run, photos[:1], 0).shape[2], concepts.shape[2], _DIM, run.products)
    size = min(_BATCH, len(photos))

    def batch(epoch: int, step: int) -> tuple[Tensor, ...]:
        order = np.random.default_rng([plan.seed, epoch]).permutation(photos)[step * size : (step + 1) * size]
        rng = np.random.default_rng([plan.seed, epoch, step])
        own = source.products[order]
        pictures = np.array([rng.choice(studio[source.products[studio] == product]) for product in own])
        seen = _patches(run, order, 1), _patches(run, pictures, int(rng.integers(source.views)))
        return *seen, concepts[own], there[own], torch.from_numpy(own)

    of = fingerprint(run.fingerprint, concepts.numpy().tobytes(), there.numpy().tobytes())
    best = train(
        model, batch, max(1, len(photos) // size), plan, checkpoint_folder=kept, data_fingerprint=of, on_epoch=on_epoch
    ).module
    assert isinstance(best, PhotoToProduct)
    return best


def _patches(run: AdaptationRun, rows: NDArray[np.int64], view: int) -> Tensor:
    """(b, 49, channels) cells of that view, unit length each on average."""
    cells = run.source.batch(rows, np.full_like(rows, view)).flatten(2).transpose(1, 2)
    return cells / cells.norm(dim=2, keepdim=True).mean(1, keepdim=True).clamp(min=1e-6)


@torch.no_grad()
def _recall(run: AdaptationRun, model: PhotoToProduct, concepts: Tensor, there: Tensor) -> float:
    """Part of the photos held out whose nearest product is theirs; a product is its first picture."""
    products, first = np.unique(run.source.products[run.validator.studio], return_index=True)
    document = Document(_patches(run, run.validator.studio[first], 0), concepts[products], there[products])
    found = model.encode_query_images(_patches(run, run.validator.photos, 0)) @ model.products(document).T
    right = products[found.argmax(1).numpy()] == run.source.products[run.validator.photos]
    return round(float(right.mean()), 4)


def _save(folder: Path, model: PhotoToProduct, facts: dict[str, object]) -> None:
    held = {name: own.contiguous() for name, own in model.state_dict().items()}
    with whole(folder) as draft:
        save_file(held, draft / "weights.safetensors")
        (draft / "manifest.json").write_text(json.dumps({"kind": "photo-to-product", **facts}, indent=2) + "\n")
