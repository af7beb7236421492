"""Class names taught to a user's two-tower model: from labeled pictures to what was learned, beside names alone."""

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
from snapfind.training.methods.prompt_tuning import Form, Method, Prompted, Words
from snapfind.training.models.clip import Clip, read_clip

__all__ = ["Classified", "accuracy", "classify", "taught"]

_BATCH, _READ = 64, 16


@dataclass(frozen=True)
class Classified:
    """Accuracy top-1 and top-5 by names alone and as learned, on `tested` pictures; how many numbers were learned."""

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
    plan: TrainingConfig,
    *,
    form: Form | None = None,
    shots: int = 5,
    progress: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> Classified:
    """Pictures (file, class name) are parted, learned from, tested; what learns and the vectors of all classes go into
    `folder`. Raises BadInput with too few classes or pictures, ModelBroken, ExtraMissing.
    """
    clip, form = read_clip(model), form or fitting(model)
    states, names, failed = _states(clip, labeled, progress)
    classes = sorted(set(names))
    labels = np.array([classes.index(name) for name in names], np.int64)
    parted = split(labels, how, seed=plan.seed, shots=shots)
    kept = folder.with_name(folder.name + ".work")
    best = taught(clip, states, labels, classes, parted, method, form, plan, kept=kept, on_epoch=on_epoch)
    before = accuracy(
        Prompted(clip, Words.of(classes, clip, form, "names"), "names", form), states, labels, classes, parted, clip
    )
    after = accuracy(best, states, labels, classes, parted, clip)
    learned = sum(own.numel() for own in best.learnable().values())
    metrics = {"split": how, "tested": len(parted.test), "names_alone": before, "learned": after}
    _save(folder, best, clip, classes, {"method": method, "form": asdict(form), "seed": plan.seed, "metrics": metrics})
    return Classified(before, after, len(parted.test), len(parted.asked), learned, failed)


def fitting(model: Path) -> Form:
    """The release's 16 + 16 vectors, or as many as leave half of a shorter text to the name."""
    told = json.loads((model / "config.json").read_text()).get("text_config") or {}
    side = min(16, int(told.get("max_position_embeddings", 77)) // 4)
    return Form(prefix=side, postfix=side)


def taught(
    clip: Clip,
    states: Tensor,
    labels: NDArray[np.int64],
    classes: Sequence[str],
    parted: Split,
    method: Method,
    form: Form,
    plan: TrainingConfig,
    *,
    kept: Path | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> Prompted:
    """Learns from `parted.train` of (n, frames, hidden) states; names of classes not seen are not looked at."""
    torch.manual_seed(plan.seed)
    learner = Prompted(clip, Words.of([classes[own] for own in parted.seen], clip, form, method), method, form)
    places = torch.from_numpy(np.searchsorted(parted.seen, labels))
    size = min(_BATCH, len(parted.train))

    def batch(epoch: int, step: int) -> tuple[Tensor, Tensor]:
        order = np.random.default_rng([plan.seed, epoch]).permutation(parted.train)
        rows = torch.from_numpy(order[step * size : (step + 1) * size])
        return states[rows], places[rows]

    rows = (part.tobytes() for part in (states.cpu().numpy(), labels, parted.train, parted.seen))
    of = fingerprint(method, form, list(classes), *rows)
    best = train(
        learner,
        batch,
        max(1, len(parted.train) // size),
        plan,
        checkpoint_folder=kept,
        data_fingerprint=of,
        on_epoch=on_epoch,
    ).module
    assert isinstance(best, Prompted)
    return best


def accuracy(
    learner: Prompted,
    states: Tensor,
    labels: NDArray[np.int64],
    classes: Sequence[str],
    parted: Split,
    clip: Clip,
) -> dict[str, float]:
    """top-1 and top-5 of `parted.test` among the classes asked."""
    words = Words.of([classes[own] for own in parted.asked], clip, learner.form, learner.method)
    found = learner.scores(states[torch.from_numpy(parted.test), None], words)
    truth = torch.from_numpy(np.searchsorted(parted.asked, labels[parted.test]))
    order = found.argsort(1, descending=True)
    right = order == truth[:, None]
    return {f"top-{k}": round(float(right[:, :k].any(1).float().mean()), 4) for k in (1, 5)}


def _states(
    clip: Clip, labeled: Sequence[tuple[Path, str]], progress: Callable[[int, int], None] | None
) -> tuple[Tensor, list[str], list[str]]:
    """(n, 1, hidden) states of the pictures that can be read, their class names, and a sentence for each other."""
    rows, names, failed, limits = [], [], [], Limits.of(Settings())
    for first in range(0, len(labeled), _READ):
        images = []
        for file, name in labeled[first : first + _READ]:
            try:
                images.append(load(file, limits, side=2 * clip.looks.side))
                names.append(name)
            except BadInput as problem:
                failed.append(problem.message)
        rows += [clip.pictures(images)] if images else []
        if progress is not None:
            progress(min(first + _READ, len(labeled)), len(labeled))
    if not rows:
        raise BadInput(f"none of {len(labeled)} pictures can be read")
    return torch.cat(rows)[:, None], names, failed


def _save(folder: Path, learner: Prompted, clip: Clip, classes: list[str], facts: dict[str, object]) -> None:
    """weights.safetensors with what learned and the unit vectors of all classes, manifest.json; whole or not at all."""
    with torch.no_grad():
        vectors = learner.texts(Words.of(classes, clip, learner.form, learner.method))
    held = {name: value.contiguous() for name, value in learner.state_dict().items()} | {"classes": vectors}
    manifest = {"kind": "prompts", "classes": classes, **facts}
    with whole(folder) as draft:
        save_file(held, draft / "weights.safetensors")
        (draft / "manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
