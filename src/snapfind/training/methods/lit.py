"""Locked image tuning: pictures and texts meet in a space learned on the frozen features of both.

After Zhai et al., "LiT", arXiv 2111.07991; here both towers rest and an affine map of each learns, which a laptop does
in a minute. The maps begin as the ridge regression from pictures to titles, and learn with one of the losses of
contrast.py. `classes_of` gives ImageNet's classes as more pairs: the weights of a class are a picture of it, its name
the title (after Frome et al., "DeViSE", NeurIPS 2013). They did not help titles that were never seen
(benchmarks/learn_locked.py), so they are not among the pairs unless they are put there.
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
from snapfind.training.models.two_tower import Loss, Towers

__all__ = ["LitEvaluation", "Pairs", "Tuning", "classes_of", "encode_pairs", "lock", "train_and_evaluate", "write_maps"]

_READ = 16  # pairs at a time


@dataclass(frozen=True)
class Pairs:
    """Frozen features: pictures (n, 1280), vectors of the distinct titles (t, 384), and the title (n,) of each."""

    pictures: Vectors
    titles: Vectors
    own: NDArray[np.int64]

    def with_(self, other: "Pairs") -> "Pairs":
        """Both, one behind the other."""
        moved = other.own + len(self.titles)
        return Pairs(
            np.concatenate([self.pictures, other.pictures]),
            np.concatenate([self.titles, other.titles]),
            np.concatenate([self.own, moved]),
        )


@dataclass(frozen=True, slots=True)
class Tuning:
    """How to learn the two maps. `ridge` is in the mean squared length of a row's numbers; `share` goes into Maps."""

    plan: TrainingConfig = field(default_factory=lambda: TrainingConfig(epochs=10, rate=3e-4, decay=1e-3))
    loss: Loss = "info_nce"
    batch: int = 256
    dim: int = 256
    ridge: float = 0.1
    share: float = 0.5


class Affine(nn.Module):
    """(n, width) unit rows -> (n, d) unit rows."""

    def __init__(self, mean: Vectors, matrix: Vectors) -> None:
        super().__init__()
        self.mean, self.matrix = (nn.Parameter(torch.from_numpy(np.ascontiguousarray(own))) for own in (mean, matrix))

    def forward(self, rows: Tensor) -> Tensor:
        """As Maps does it."""
        return functional.normalize((rows - self.mean) @ self.matrix, dim=1)


def lock(
    pairs: Pairs,
    encoder: str,
    text: str,
    tuning: Tuning | None = None,
    *,
    kept: Path | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> LitMaps:
    """Learns the two maps; `encoder` and `text` are the ids of the raw spaces of the features.

    Raises BadInput with fewer than two titles, or a row that is no numbers.
    """
    check_finite(pairs.pictures, "pictures")
    check_finite(pairs.titles, "titles")
    tuning = tuning or Tuning()
    if len(set(pairs.own.tolist())) < 2:
        raise BadInput(f"{len(pairs.titles)} distinct title(s): learning texts and pictures needs two at the least")
    torch.manual_seed(tuning.plan.seed)
    towers = Towers(*_begin(pairs, tuning), tuning.loss)
    pictures, titles = (torch.from_numpy(unit(rows)) for rows in (pairs.pictures, pairs.titles))
    own, size = torch.from_numpy(pairs.own), min(tuning.batch, len(pairs.own))

    def batch(epoch: int, step: int) -> tuple[Tensor, Tensor, Tensor]:
        order = np.random.default_rng([tuning.plan.seed, epoch]).permutation(len(own))
        rows = torch.from_numpy(order[step * size : (step + 1) * size])
        return pictures[rows], titles[own[rows]], own[rows]

    data = (part.tobytes() for part in (pairs.pictures, pairs.titles, pairs.own))
    of = fingerprint(encoder, text, tuning.loss, tuning.dim, tuning.ridge, size, *data)
    best = train(
        towers,
        batch,
        max(1, len(own) // size),
        tuning.plan,
        checkpoint_folder=kept,
        data_fingerprint=of,
        on_epoch=on_epoch,
    ).module
    assert isinstance(best, Towers)
    weights = {
        f"{side}_{part}": getattr(getattr(best, side), part).detach().cpu().numpy().astype(np.float32)
        for side in ("picture", "text")
        for part in ("mean", "matrix")
    }
    return LitMaps(encoder, text, tuning.share, weights, {"recipe": asdict(tuning)})


@dataclass(frozen=True)
class LitEvaluation:
    """Recall@1 title -> picture and picture -> title on `judged` pairs held out: by ConSE, and as learned."""

    judged: int
    before: tuple[float, float]
    after: tuple[float, float]


def train_and_evaluate(
    pairs: Pairs,
    look: Features,
    encoder: Builtin,
    text: Encoder,
    folder: Path,
    *,
    loss: Loss = "info_nce",
    seed: int = 0,
    held: int = 256,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> LitEvaluation:
    """Learns on all pairs but `held`, a fifth at the most; writes the artifact into `folder`."""
    order = np.random.default_rng([seed, 5]).permutation(len(pairs.own))
    held = min(held, len(order) // 5)
    asked, used = order[:held], order[held:]
    tuning = Tuning(TrainingConfig(epochs=10, rate=3e-4, decay=1e-3, seed=seed), loss)
    known, renumbered = np.unique(pairs.own[used], return_inverse=True)  # no title that only judges shapes the space
    seen = Pairs(pairs.pictures[used], pairs.titles[known], renumbered)
    kept = folder.with_name(folder.name + ".work") / "checkpoint"
    locked = LitSpace(lock(seen, encoder.raw_id, text.space.id, tuning, kept=kept, on_epoch=on_epoch), text)
    part, own = Features(look.pooled[asked], look.posterior[asked]), pairs.own[asked]
    conse, titles = Conse(text), pairs.titles[own]
    before = _recalls(conse.encode_features(part.posterior), conse.centered(titles), own)
    after = _recalls(locked.encode_features(part), locked.centered(titles), own)
    metrics = {"metrics": {"pairs": held, "recall_at_1": after, "recall_at_1_conse": before}, "seed": seed}
    write_maps(folder, replace(locked.maps, told=locked.maps.told | metrics))
    return LitEvaluation(held, before, after)


def write_maps(folder: Path, maps: LitMaps) -> None:
    """The artifact of a space in `folder`, whole or not at all. Raises NoRoom."""
    with whole(folder) as draft:
        maps.save(draft)


def _recalls(pictures: Vectors, titles: Vectors, own: NDArray[np.int64]) -> tuple[float, float]:
    """Recall@1 title -> picture and picture -> title of n pairs; any picture with the title is right."""
    cosines = titles @ pictures.T
    found = [float((own[near] == own).mean()) if len(own) else 0.0 for near in _nearest(cosines)]
    return round(found[0], 4), round(found[1], 4)


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
    """Frozen features of every pair that can be read, and what the network saw in it, in the same order.

    `work` keeps what was seen: a run that was stopped goes on. Raises NoRoom.
    """
    work.mkdir(parents=True, exist_ok=True)
    file, width = work / f"pairs-{encoder.raw_id}-{shards.sign}.f32", 1280 + 1000
    with room_for(file), file.open("ab") as kept:
        done = kept.tell() // (4 * width)
        kept.truncate(done * 4 * width)
        for first in range(done, len(shards), _READ):
            kept.write(_seen(shards, range(first, min(first + _READ, len(shards))), encoder).tobytes())
            if progress is not None:
                progress(min(first + _READ, len(shards)), len(shards))
    rows = np.fromfile(file, np.float32).reshape(-1, width)
    read = np.flatnonzero(~np.isnan(rows[:, 0]))
    titles = [shards.title(int(number)) for number in read]
    distinct = {title: number for number, title in enumerate(dict.fromkeys(titles))}
    vectors = text.texts(list(distinct), role="query")
    look = Features(rows[read, :1280], rows[read, 1280:])
    return Pairs(look.pooled, vectors, np.array([distinct[title] for title in titles])), look


def _seen(shards: Shards, numbers: range, encoder: Builtin) -> Vectors:
    """(n, 2280) pooled features and posteriors; not a number where a pair cannot be read."""
    rows, images = np.full((len(numbers), 2280), np.nan, np.float32), {}
    for place, number in enumerate(numbers):
        with suppress(BadInput):
            images[place] = shards.read(number)[0]
    if images:
        look = encoder.extract_features(list(images.values()))
        rows[list(images)] = np.hstack([look.pooled, look.posterior])
    return rows


def _begin(pairs: Pairs, tuning: Tuning) -> tuple[Affine, Affine]:
    """Pictures by ridge regression to their titles; titles as they are, both in the titles' longest directions."""
    rows, titles = unit(pairs.pictures).astype(np.float64), unit(pairs.titles).astype(np.float64)
    each = 1 / np.bincount(pairs.own, minlength=len(titles))[pairs.own]  # a title with many pictures counts once
    middle, aim = np.average(rows, 0, each), titles.mean(0)
    rows, wanted = rows - middle, (titles - aim)[pairs.own]
    spread = (rows * each[:, None]).T @ rows
    level = tuning.ridge * np.trace(spread) / len(spread)
    matrix = np.linalg.solve(spread + level * np.eye(len(spread)), (rows * each[:, None]).T @ wanted)
    left, _, _ = np.linalg.svd(titles.T - aim[:, None], full_matrices=False)
    basis = left[:, : tuning.dim]
    text = basis * np.float64(1)
    picture = matrix @ basis
    picture /= max(np.linalg.norm(rows @ picture, axis=1).mean(), 1e-9)
    return Affine(middle.astype(np.float32), picture.astype(np.float32)), Affine(
        aim.astype(np.float32), text.astype(np.float32)
    )


def classes_of(text: Encoder, parent: Path = SHIPPED) -> Pairs:
    """ImageNet's 1,000 classes as pairs: the weights of the classifier in the file, and the names.

    Raises ModelBroken where the file has no such classifier.
    """
    held = {own.name: own for own in onnx.load(parent / "model.onnx").graph.initializer}
    found = [own for own in map(numpy_helper.to_array, held.values()) if sorted(own.shape) == [1000, 1280]]
    if len(found) != 1:
        raise ModelBroken(f"{parent / 'model.onnx'} has no classifier of 1,000 classes")
    weights = found[0] if found[0].shape[0] == 1000 else found[0].T
    pictures = np.maximum(weights.astype(np.float32), 0)  # features are pooled ReLU6: nothing lies below 0
    return Pairs(pictures, Conse(text).names, np.arange(1000))
