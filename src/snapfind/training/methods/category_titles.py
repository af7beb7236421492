"""Measure whether product titles help photo search, by training `PhotoToProduct` (category_attention.py).

Each product is a class. Patches are the 7 by 7 cells before the last convolution, words are the vectors of the text
encoder. Two models are trained in the same way, one without words, and measured on the held-out photos. Serving makes
vectors of products from images only, so the result is measured and stored, but answers no search.
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

__all__ = ["TRAINING", "TitleEvaluation", "encode_words", "evaluate_titles"]

TRAINING = TrainingConfig(epochs=12, rate=2e-3)
_VIEWS, _DIM, _BATCH, _WORDS = 2, 128, 64, 8


@dataclass(frozen=True)
class TitleEvaluation:
    """Recall@1 on held-out photos.

    Attributes:
        photos: Number of photos.
        raw: Recall@1 of the encoder before training.
        pictures: Recall@1 after training on images alone.
        titles: Recall@1 after training on images and titles.
    """

    photos: int
    raw: float
    pictures: float
    titles: float


def evaluate_titles(
    samples: Sequence[Sample],
    titles: Sequence[str],
    text: Encoder,
    folder: Path,
    work: Path,
    *,
    training: TrainingConfig = TRAINING,
    parent: Path = SHIPPED,
    progress: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> TitleEvaluation:
    """Train with and without titles and compare both on held-out photos.

    Args:
        samples: Photos and studio images.
        titles: Title of each product by number.
        text: Text encoder of the words.
        folder: Folder of the written model.
        work: Folder of the feature cache and the checkpoints.
        training: Training configuration.
        parent: Artifact folder of the image encoder.
        progress: Called with (samples done, samples in all) while views are encoded.
        on_epoch: Called with the metrics of each epoch.

    Returns:
        The measured recall.

    Raises:
        BadInput: No product has a title. Also as `prepare_run` and `train`.
        NoRoom: The disk is full.
    """
    if not any(title.strip() for title in titles):
        raise BadInput("No product has a title. Training on titles needs some.")
    run = prepare_run(samples, work, depth="layer", views=_VIEWS, seed=training.seed, parent=parent, progress=progress)
    concepts, present = encode_words(titles, text)
    recalls, best = {}, None
    for name, words in (("pictures", torch.zeros_like(present)), ("titles", present)):
        best = _train_model(run, concepts, words, training, work / f"checkpoint-{name}", on_epoch)
        recalls[name] = _recall(run, best, concepts, words)
    assert best is not None
    done = TitleEvaluation(len(run.validator.photos), run.parent_recall, recalls["pictures"], recalls["titles"])
    _save(folder, best, {"seed": training.seed, "config": asdict(training), "metrics": asdict(done)})
    return done


def encode_words(titles: Sequence[str], text: Encoder) -> tuple[Tensor, Tensor]:
    """Encode the first eight words of each title.

    Args:
        titles: n titles.
        text: Text encoder.

    Returns:
        (n, 8, t) centered vectors, and a (n, 8) bool mask of the words that exist.
    """
    words_of = [title.split()[:_WORDS] for title in titles]
    distinct = {word: number for number, word in enumerate(sorted({word for words in words_of for word in words}))}
    vectors = torch.from_numpy(text.texts(list(distinct), role="document"))
    concepts, present = (
        torch.zeros(len(words_of), _WORDS, vectors.shape[1]),
        torch.zeros(len(words_of), _WORDS, dtype=torch.bool),
    )
    for row, own, words in zip(concepts, present, words_of):
        row[: len(words)] = vectors[[distinct[word] for word in words]]
        own[: len(words)] = True
    return concepts - vectors.mean(0), present


def _train_model(
    run: AdaptationRun,
    concepts: Tensor,
    there: Tensor,
    training: TrainingConfig,
    checkpoint_folder: Path,
    on_epoch: Callable[[EpochMetrics], None] | None,
) -> PhotoToProduct:
    photos, source, studio = run.photos, run.source, run.validator.studio
    torch.manual_seed(training.seed)
    model = PhotoToProduct(_patches(run, photos[:1], 0).shape[2], concepts.shape[2], _DIM, run.products)
    size = min(_BATCH, len(photos))

    def batch(epoch: int, step: int) -> tuple[Tensor, ...]:
        order = np.random.default_rng([training.seed, epoch]).permutation(photos)[step * size : (step + 1) * size]
        rng = np.random.default_rng([training.seed, epoch, step])
        own = source.products[order]
        pictures = np.array([rng.choice(studio[source.products[studio] == product]) for product in own])
        patches = _patches(run, order, 1), _patches(run, pictures, int(rng.integers(source.views)))
        return *patches, concepts[own], there[own], torch.from_numpy(own)

    data_fingerprint = fingerprint(run.fingerprint, concepts.numpy().tobytes(), there.numpy().tobytes())
    best = train(
        model,
        batch,
        max(1, len(photos) // size),
        training,
        checkpoint_folder=checkpoint_folder,
        data_fingerprint=data_fingerprint,
        on_epoch=on_epoch,
    ).module
    assert isinstance(best, PhotoToProduct)
    return best


def _patches(run: AdaptationRun, rows: NDArray[np.int64], view: int) -> Tensor:
    """Return (b, 49, channels) cells of a view, with a mean length of 1."""
    cells = run.source.batch(rows, np.full_like(rows, view)).flatten(2).transpose(1, 2)
    return cells / cells.norm(dim=2, keepdim=True).mean(1, keepdim=True).clamp(min=1e-6)


@torch.no_grad()
def _recall(run: AdaptationRun, model: PhotoToProduct, concepts: Tensor, there: Tensor) -> float:
    """Return the fraction of the held-out photos whose nearest product is theirs. A product is its first image."""
    products, first = np.unique(run.source.products[run.validator.studio], return_index=True)
    document = Document(_patches(run, run.validator.studio[first], 0), concepts[products], there[products])
    cosines = model.photos(_patches(run, run.validator.photos, 0)) @ model.products(document).T
    right = products[cosines.argmax(1).numpy()] == run.source.products[run.validator.photos]
    return round(float(right.mean()), 4)


def _save(folder: Path, model: PhotoToProduct, facts: dict[str, object]) -> None:
    tensors = {name: own.contiguous() for name, own in model.state_dict().items()}
    with whole(folder) as draft:
        save_file(tensors, draft / "weights.safetensors")
        (draft / "manifest.json").write_text(json.dumps({"kind": "photo-to-product", **facts}, indent=2) + "\n")
