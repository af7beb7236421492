"""Locked-image tuning (LiT): a space of images and texts, trained on the frozen features of both encoders.

After Zhai et al., "LiT", arXiv 2111.07991. Here both encoders are frozen and an affine map of each is trained, which
takes a minute on a laptop. The maps are initialized by ridge regression from images to titles and trained with a loss
of losses/contrastive.py. `classes_of` returns ImageNet's classes as further pairs: the classifier weights of a class
are its image, its name the title (after Frome et al., "DeViSE", NeurIPS 2013). They did not help titles that were not
seen in training (benchmarks/learn_locked.py), so they are used only if they are passed.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from snapfind.core.atomic import room_for, whole
from snapfind.core.errors import BadInput, ModelBroken
from snapfind.encoders.arrays import check_finite, unit
from snapfind.encoders.base import Encoder, Vectors
from snapfind.encoders.crossmodal.conse import Conse
from snapfind.encoders.crossmodal.lit import LitMaps, LitSpace
from snapfind.encoders.image.efficientnet import Builtin, Features
from snapfind.training.checkpoint import fingerprint
from snapfind.training.data.webdataset import Shards
from snapfind.training.export import SHIPPED
from snapfind.training.loop import EpochMetrics, TrainingConfig, train
from snapfind.training.models.two_tower import ContrastiveLoss, TwoTower

__all__ = [
    "LitConfig",
    "LitEvaluation",
    "Pairs",
    "classes_of",
    "encode_pairs",
    "fit_maps",
    "train_and_evaluate",
    "write_maps",
]

_READ = 16  # pairs at a time


@dataclass(frozen=True)
class Pairs:
    """Frozen features of pairs.

    Attributes:
        pictures: (n, 1280) features of the images.
        titles: (t, 384) vectors of the distinct titles.
        own: (n,) int64 title of each image.
    """

    pictures: Vectors
    titles: Vectors
    own: NDArray[np.int64]

    def with_(self, other: "Pairs") -> "Pairs":
        """Return both sets of pairs, one after the other."""
        moved = other.own + len(self.titles)
        return Pairs(
            np.concatenate([self.pictures, other.pictures]),
            np.concatenate([self.titles, other.titles]),
            np.concatenate([self.own, moved]),
        )


@dataclass(frozen=True, slots=True)
class LitConfig:
    """Configuration.

    Attributes:
        training: Training configuration.
        loss: Contrastive loss.
        batch: Pairs per batch.
        dim: Dimension of the space.
        ridge: Penalty of the ridge regression, relative to the mean squared length of a row's values.
        share: Weight of the trained space beside ConSE, stored in the maps.
    """

    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(epochs=10, rate=3e-4, decay=1e-3))
    loss: ContrastiveLoss = "info_nce"
    batch: int = 256
    dim: int = 256
    ridge: float = 0.1
    share: float = 0.5


class Affine(nn.Module):
    """Affine map of (n, width) unit rows to (n, d) unit rows."""

    def __init__(self, mean: Vectors, matrix: Vectors) -> None:
        super().__init__()
        self.mean, self.matrix = (nn.Parameter(torch.from_numpy(np.ascontiguousarray(own))) for own in (mean, matrix))

    def forward(self, rows: Tensor) -> Tensor:
        """Return unit rows, computed as `LitMaps` does."""
        return functional.normalize((rows - self.mean) @ self.matrix, dim=1)


def fit_maps(
    pairs: Pairs,
    encoder: str,
    text: str,
    config: LitConfig | None = None,
    *,
    checkpoint_folder: Path | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> LitMaps:
    """Train the two maps.

    Args:
        pairs: The training pairs.
        encoder: Id of the raw image space.
        text: Id of the text space.
        config: Configuration.
        checkpoint_folder: Folder of the checkpoint.
        on_epoch: Called with the metrics of each epoch.

    Returns:
        The maps.

    Raises:
        BadInput: There are fewer than two titles, or a value is NaN or infinite. Also as `train`.
    """
    check_finite(pairs.pictures, "pictures")
    check_finite(pairs.titles, "titles")
    config = config or LitConfig()
    if len(set(pairs.own.tolist())) < 2:
        raise BadInput(f"{len(pairs.titles)} distinct title(s) are too few. Training needs at least two.")
    torch.manual_seed(config.training.seed)
    towers = TwoTower(*_initialize_maps(pairs, config), config.loss)
    pictures, titles = (torch.from_numpy(unit(rows)) for rows in (pairs.pictures, pairs.titles))
    own, size = torch.from_numpy(pairs.own), min(config.batch, len(pairs.own))

    def batch(epoch: int, step: int) -> tuple[Tensor, Tensor, Tensor]:
        order = np.random.default_rng([config.training.seed, epoch]).permutation(len(own))
        rows = torch.from_numpy(order[step * size : (step + 1) * size])
        return pictures[rows], titles[own[rows]], own[rows]

    data = (part.tobytes() for part in (pairs.pictures, pairs.titles, pairs.own))
    data_fingerprint = fingerprint(encoder, text, config.loss, config.dim, config.ridge, size, *data)
    best = train(
        towers,
        batch,
        max(1, len(own) // size),
        config.training,
        checkpoint_folder=checkpoint_folder,
        data_fingerprint=data_fingerprint,
        on_epoch=on_epoch,
    ).module
    assert isinstance(best, TwoTower)
    weights = {
        f"{side}_{part}": getattr(getattr(best, side), part).detach().cpu().numpy().astype(np.float32)
        for side in ("picture", "text")
        for part in ("mean", "matrix")
    }
    return LitMaps(encoder, text, config.share, weights, {"config": asdict(config)})


@dataclass(frozen=True)
class LitEvaluation:
    """Recall@1 from title to image and from image to title on held-out pairs.

    Attributes:
        pairs: Number of held-out pairs.
        before: Recalls of ConSE.
        after: Recalls of the trained space.
    """

    pairs: int
    before: tuple[float, float]
    after: tuple[float, float]


def train_and_evaluate(
    pairs: Pairs,
    features: Features,
    encoder: Builtin,
    text: Encoder,
    folder: Path,
    *,
    loss: ContrastiveLoss = "info_nce",
    seed: int = 0,
    held_out: int = 256,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> LitEvaluation:
    """Train on all pairs but the held-out ones, evaluate on these, and write the artifact.

    Args:
        pairs: The pairs.
        features: Features and posteriors of their images.
        encoder: The image encoder.
        text: The text encoder.
        folder: Folder of the new artifact.
        loss: Contrastive loss.
        seed: Random seed.
        held_out: Number of held-out pairs, at most a fifth is used.
        on_epoch: Called with the metrics of each epoch.

    Returns:
        The recalls.

    Raises:
        BadInput: As `fit_maps`.
        NoRoom: The disk is full.
    """
    order = np.random.default_rng([seed, 5]).permutation(len(pairs.own))
    held_out = min(held_out, len(order) // 5)
    evaluated, used = order[:held_out], order[held_out:]
    config = LitConfig(TrainingConfig(epochs=10, rate=3e-4, decay=1e-3, seed=seed), loss)
    known, renumbered = np.unique(
        pairs.own[used], return_inverse=True
    )  # titles of held-out pairs alone do not shape the space
    training_pairs = Pairs(pairs.pictures[used], pairs.titles[known], renumbered)
    checkpoint_folder = folder.with_name(folder.name + ".work") / "checkpoint"
    locked = LitSpace(
        fit_maps(
            training_pairs,
            encoder.raw_id,
            text.space.id,
            config,
            checkpoint_folder=checkpoint_folder,
            on_epoch=on_epoch,
        ),
        text,
    )
    part, own = Features(features.pooled[evaluated], features.posterior[evaluated]), pairs.own[evaluated]
    conse, titles = Conse(text), pairs.titles[own]
    before = _measure_recalls(conse.encode_features(part.posterior), conse.centered(titles), own)
    after = _measure_recalls(locked.encode_features(part), locked.centered(titles), own)
    metrics = {"metrics": {"pairs": held_out, "recall_at_1": after, "recall_at_1_conse": before}, "seed": seed}
    write_maps(folder, replace(locked.maps, metadata=locked.maps.metadata | metrics))
    return LitEvaluation(held_out, before, after)


def write_maps(folder: Path, maps: LitMaps) -> None:
    """Write the artifact of a space atomically.

    Args:
        folder: Folder of the new artifact.
        maps: The maps.

    Raises:
        NoRoom: The disk is full.
    """
    with whole(folder) as draft:
        maps.save(draft)


def _measure_recalls(pictures: Vectors, titles: Vectors, own: NDArray[np.int64]) -> tuple[float, float]:
    """Return recall@1 from title to image and from image to title of n pairs. Any image with the title is correct."""
    cosines = titles @ pictures.T
    recalls = [float((own[near] == own).mean()) if len(own) else 0.0 for near in _nearest(cosines)]
    return round(recalls[0], 4), round(recalls[1], 4)


def _nearest(cosines: Vectors) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return (cosines.argmax(1), cosines.argmax(0)) if cosines.size else (np.empty(0, np.int64), np.empty(0, np.int64))


def encode_pairs(
    shards: Shards,
    encoder: Builtin,
    text: Encoder,
    work: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Pairs, Features]:
    """Compute the frozen features of every pair that can be read. An interrupted run resumes.

    Args:
        shards: The pairs.
        encoder: The image encoder.
        text: The text encoder.
        work: Folder of the stored features.
        progress: Called with (pairs done, pairs in all).

    Returns:
        The pairs, and features with posteriors in the same order.

    Raises:
        NoRoom: The disk is full.
    """
    work.mkdir(parents=True, exist_ok=True)
    file, width = work / f"pairs-{encoder.raw_id}-{shards.fingerprint}.f32", 1280 + 1000
    with room_for(file), file.open("ab") as checkpoint_folder:
        done = checkpoint_folder.tell() // (4 * width)
        checkpoint_folder.truncate(done * 4 * width)
        for first in range(done, len(shards), _READ):
            checkpoint_folder.write(_extract(shards, range(first, min(first + _READ, len(shards))), encoder).tobytes())
            if progress is not None:
                progress(min(first + _READ, len(shards)), len(shards))
    rows = np.fromfile(file, np.float32).reshape(-1, width)
    read = np.flatnonzero(~np.isnan(rows[:, 0]))
    titles = [shards.title(int(number)) for number in read]
    distinct = {title: number for number, title in enumerate(dict.fromkeys(titles))}
    vectors = text.texts(list(distinct), role="query")
    features = Features(rows[read, :1280], rows[read, 1280:])
    return Pairs(features.pooled, vectors, np.array([distinct[title] for title in titles])), features


def _extract(shards: Shards, numbers: range, encoder: Builtin) -> Vectors:
    """Return (n, 2280) pooled features and posteriors. Rows of pairs that cannot be read are NaN."""
    rows, images = np.full((len(numbers), 2280), np.nan, np.float32), {}
    for place, number in enumerate(numbers):
        with suppress(BadInput):
            images[place] = shards.read(number)[0]
    if images:
        features = encoder.extract_features(list(images.values()))
        rows[list(images)] = np.hstack([features.pooled, features.posterior])
    return rows


def _initialize_maps(pairs: Pairs, config: LitConfig) -> tuple[Affine, Affine]:
    """Initialize both maps: images by ridge regression to the titles, titles by their main directions."""
    rows, titles = unit(pairs.pictures).astype(np.float64), unit(pairs.titles).astype(np.float64)
    each = 1 / np.bincount(pairs.own, minlength=len(titles))[pairs.own]  # a title with many pictures counts once
    center, target_center = np.average(rows, 0, each), titles.mean(0)
    rows, wanted = rows - center, (titles - target_center)[pairs.own]
    covariance = (rows * each[:, None]).T @ rows
    ridge = config.ridge * np.trace(covariance) / len(covariance)
    matrix = np.linalg.solve(covariance + ridge * np.eye(len(covariance)), (rows * each[:, None]).T @ wanted)
    left, _, _ = np.linalg.svd(titles.T - target_center[:, None], full_matrices=False)
    basis = left[:, : config.dim]
    text = basis * np.float64(1)
    picture = matrix @ basis
    picture /= max(np.linalg.norm(rows @ picture, axis=1).mean(), 1e-9)
    return Affine(center.astype(np.float32), picture.astype(np.float32)), Affine(
        target_center.astype(np.float32), text.astype(np.float32)
    )


def classes_of(text: Encoder, parent: Path = SHIPPED) -> Pairs:
    """Return ImageNet's 1,000 classes as pairs of classifier weights and class names.

    Args:
        text: The text encoder.
        parent: Artifact folder of the image encoder.

    Returns:
        The pairs.

    Raises:
        ModelBroken: The network has no classifier of 1,000 classes.
    """
    initializers = {own.name: own for own in onnx.load(parent / "model.onnx").graph.initializer}
    classifiers = [
        own for own in map(numpy_helper.to_array, initializers.values()) if sorted(own.shape) == [1000, 1280]
    ]
    if len(classifiers) != 1:
        raise ModelBroken(f"{parent / 'model.onnx'} has no classifier of 1,000 classes. Use the bundled encoder.")
    weights = classifiers[0] if classifiers[0].shape[0] == 1000 else classifiers[0].T
    pictures = np.maximum(weights.astype(np.float32), 0)  # features are pooled ReLU6: nothing lies below 0
    return Pairs(pictures, Conse(text).names, np.arange(1000))
