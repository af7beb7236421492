"""Prompt tuning of a CLIP model for classification: from labeled images to an artifact, compared with names alone."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from snapfind.core.atomic import whole
from snapfind.core.config import Settings
from snapfind.core.errors import BadInput
from snapfind.media.image.decode import Limits, load
from snapfind.training.checkpoint import fingerprint
from snapfind.training.data.splits import How, Split, split
from snapfind.training.loop import EpochMetrics, TrainingConfig, train
from snapfind.training.methods.prompt_tuning import ClassNames, Method, PromptConfig, Prompted
from snapfind.training.models.clip import Clip, load_clip

__all__ = ["Classified", "accuracy", "classify", "train_prompts"]

_BATCH, _READ = 64, 16


@dataclass(frozen=True)
class Classified:
    """Result of a classification.

    Attributes:
        before: Accuracy top-1 and top-5 by class names alone.
        after: Accuracy top-1 and top-5 after training.
        tested: Number of test images.
        classes: Number of test classes.
        learned: Number of trained parameters.
        failed: A sentence for each image that cannot be read.
    """

    before: dict[str, float]
    after: dict[str, float]
    tested: int
    classes: int
    learned: int
    failed: list[str] = field(default_factory=list)


def classify(
    model: Path,
    labeled: Sequence[tuple[Path, str]],
    folder: Path,
    method: Method,
    how: How,
    training: TrainingConfig,
    *,
    form: PromptConfig | None = None,
    shots: int = 5,
    progress: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> Classified:
    """Split labeled images, train, evaluate and write the trained weights with the vectors of all classes.

    Args:
        model: Folder of the CLIP model.
        labeled: Image files with class names.
        folder: Folder of the new artifact.
        method: What is trained.
        how: Kind of split.
        training: Training configuration.
        form: Configuration of the prompts, by default that of the release, shortened for short texts.
        shots: Training images per class for "few".
        progress: Called with (images done, images in all).
        on_epoch: Called with the metrics of each epoch.

    Returns:
        Accuracy before and after.

    Raises:
        BadInput: There are too few classes or images.
        ModelBroken: The folder has no CLIP model.
        ExtraMissing: transformers or peft is not installed.
    """
    clip, form = load_clip(model), form or fitting(model)
    states, names, failed = _encode(clip, labeled, progress)
    classes = sorted(set(names))
    labels = np.array([classes.index(name) for name in names], np.int64)
    parts = split(labels, how, seed=training.seed, shots=shots)
    checkpoint_folder = folder.with_name(folder.name + ".work")
    best = train_prompts(
        clip,
        states,
        labels,
        classes,
        parts,
        method,
        form,
        training,
        checkpoint_folder=checkpoint_folder,
        on_epoch=on_epoch,
    )
    names_alone = Prompted(clip, ClassNames.of(classes, clip, form, "names"), "names", form)
    before = accuracy(names_alone, states, labels, classes, parts, clip)
    after = accuracy(best, states, labels, classes, parts, clip)
    learned = sum(own.numel() for own in best.trained_parameters().values())
    metrics = {"split": how, "tested": len(parts.test), "names_alone": before, "learned": after}
    _save(
        folder, best, clip, classes, {"method": method, "form": asdict(form), "seed": training.seed, "metrics": metrics}
    )
    return Classified(before, after, len(parts.test), len(parts.test_classes), learned, failed)


def fitting(model: Path) -> PromptConfig:
    """Return the 16 + 16 vectors of the release, or as many as leave half of a shorter text to the name."""
    text_config = json.loads((model / "config.json").read_text()).get("text_config") or {}
    side = min(16, int(text_config.get("max_position_embeddings", 77)) // 4)
    return PromptConfig(prefix=side, postfix=side)


def train_prompts(
    clip: Clip,
    states: Tensor,
    labels: NDArray[np.int64],
    classes: Sequence[str],
    parts: Split,
    method: Method,
    form: PromptConfig,
    training: TrainingConfig,
    *,
    checkpoint_folder: Path | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> Prompted:
    """Train on the training images. Names of classes that are only tested are not used.

    Args:
        clip: The CLIP model.
        states: (n, frames, hidden) pooled states.
        labels: (n,) int64 classes.
        classes: Names of the classes.
        parts: The split.
        method: What is trained.
        form: Configuration of the prompts.
        training: Training configuration.
        checkpoint_folder: Folder of the checkpoint.
        on_epoch: Called with the metrics of each epoch.

    Returns:
        The trained module.
    """
    torch.manual_seed(training.seed)
    learner = Prompted(
        clip, ClassNames.of([classes[own] for own in parts.train_classes], clip, form, method), method, form
    )
    places = torch.from_numpy(np.searchsorted(parts.train_classes, labels))
    size = min(_BATCH, len(parts.train))

    def batch(epoch: int, step: int) -> tuple[Tensor, Tensor]:
        order = np.random.default_rng([training.seed, epoch]).permutation(parts.train)
        rows = torch.from_numpy(order[step * size : (step + 1) * size])
        return states[rows], places[rows]

    rows = (part.tobytes() for part in (states.cpu().numpy(), labels, parts.train, parts.train_classes))
    data_fingerprint = fingerprint(method, form, list(classes), *rows)
    best = train(
        learner,
        batch,
        max(1, len(parts.train) // size),
        training,
        checkpoint_folder=checkpoint_folder,
        data_fingerprint=data_fingerprint,
        on_epoch=on_epoch,
    ).module
    assert isinstance(best, Prompted)
    return best


def accuracy(
    learner: Prompted,
    states: Tensor,
    labels: NDArray[np.int64],
    classes: Sequence[str],
    parts: Split,
    clip: Clip,
) -> dict[str, float]:
    """Measure top-1 and top-5 accuracy on the test images among the test classes.

    Args:
        learner: The module.
        states: (n, frames, hidden) pooled states.
        labels: (n,) int64 classes.
        classes: Names of the classes.
        parts: The split.
        clip: The CLIP model.

    Returns:
        "top-1" and "top-5" 0..1.
    """
    words = ClassNames.of([classes[own] for own in parts.test_classes], clip, learner.form, learner.method)
    found = learner.scores(states[torch.from_numpy(parts.test), None], words)
    truth = torch.from_numpy(np.searchsorted(parts.test_classes, labels[parts.test]))
    order = found.argsort(1, descending=True)
    right = order == truth[:, None]
    return {f"top-{k}": round(float(right[:, :k].any(1).float().mean()), 4) for k in (1, 5)}


def _encode(
    clip: Clip, labeled: Sequence[tuple[Path, str]], progress: Callable[[int, int], None] | None
) -> tuple[Tensor, list[str], list[str]]:
    """Return (n, 1, hidden) states of the images that can be read, their class names, and a sentence for each other."""
    rows, names, failed, limits = [], [], [], Limits.of(Settings())
    for first in range(0, len(labeled), _READ):
        images = []
        for file, name in labeled[first : first + _READ]:
            try:
                images.append(load(file, limits, side=2 * clip.preprocessing.side))
                names.append(name)
            except BadInput as problem:
                failed.append(problem.message)
        rows += [clip.pictures(images)] if images else []
        if progress is not None:
            progress(min(first + _READ, len(labeled)), len(labeled))
    if not rows:
        raise BadInput(f"None of {len(labeled)} pictures can be read.")
    return torch.cat(rows)[:, None], names, failed


def _save(folder: Path, learner: Prompted, clip: Clip, classes: list[str], facts: dict[str, object]) -> None:
    """Write weights.safetensors with the trained weights and the unit vectors of all classes, and manifest.json."""
    with torch.no_grad():
        vectors = learner.texts(ClassNames.of(classes, clip, learner.form, learner.method))
    tensors = {name: value.contiguous() for name, value in learner.state_dict().items()} | {"classes": vectors}
    manifest = {"kind": "prompts", "classes": classes, **facts}
    with whole(folder) as draft:
        save_file(tensors, draft / "weights.safetensors")
        (draft / "manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
