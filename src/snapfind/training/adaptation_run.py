"""Adaptation runs: the steps that all methods which adapt the encoder share.

Before training, the samples are checked, views are encoded by the frozen layers, and one photo in ten is held out for
validation. After training, the scores are calibrated on the held-out photos, and the artifact is written.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from snapfind.core.errors import BadInput
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.image.preprocess import Preprocessing
from snapfind.training.checkpoint import fingerprint
from snapfind.training.data.augmentation import Sample
from snapfind.training.data.feature_cache import (
    FeatureCache,
    LiveViews,
    build_feature_cache,
    fingerprint_samples,
    load_frozen_front,
)
from snapfind.training.export import SHIPPED, write_artifact, write_heads
from snapfind.training.loop import Outcome
from snapfind.training.models.adaptation import Tail
from snapfind.training.models.efficientnet import Network, read_network
from snapfind.training.models.heads import Heads
from snapfind.training.validation import RetrievalValidator, RoleEncoder, select_held_out

__all__ = ["AdaptationRun", "Adapted", "Depth", "finish_run", "first_block", "prepare_run"]

Progress = Callable[[int, int], None]
Depth = Literal["heads", "layer", "blocks", "network"]


@dataclass(frozen=True)
class AdaptationRun:
    """Inputs of a method.

    Attributes:
        samples: The n samples.
        parent: Artifact folder of the encoder that is adapted.
        source: Views of the samples.
        body: Maps views to features, contains the trainable layers.
        validator: Measures recall@1.
        held_out: (n,) bool, photos held out for validation.
        synthetic: (n,) bool, studio images that are used as synthetic photos.
        products: Number of products.
        parent_recall: recall@1 of the parent's features.
        data: sha256 of the samples.
        fingerprint: Hash of the samples, the parent, the depth, the views and the seed.
    """

    samples: Sequence[Sample]
    parent: Path
    source: FeatureCache | LiveViews
    body: nn.Module
    validator: RetrievalValidator
    held_out: NDArray[np.bool_]
    synthetic: NDArray[np.bool_]
    products: int
    parent_recall: float
    data: str
    fingerprint: str

    @property
    def photos(self) -> NDArray[np.int64]:
        """Indices of the photos used for training."""
        return np.flatnonzero(~self.held_out & self.source.queries)


@dataclass(frozen=True)
class Adapted:
    """Result of an adaptation: folder and encoder, recall@1 on held-out photos before and after, their indices."""

    folder: Path
    encoder: Builtin
    before: float
    after: float
    held: tuple[int, ...]
    outcome: Outcome | None


def prepare_run(
    samples: Sequence[Sample],
    work: Path,
    *,
    depth: Depth,
    views: int,
    seed: int,
    parent: Path = SHIPPED,
    progress: Progress | None = None,
) -> AdaptationRun:
    """Check the samples and encode their views with the layers that are frozen at `depth`.

    Args:
        samples: Photos, studio images and studio images used as synthetic photos.
        work: Folder of the feature cache.
        depth: Which layers are trained.
        views: Views per sample.
        seed: Random seed.
        parent: Artifact folder of the encoder to adapt.
        progress: Called with (samples done, samples in all).

    Returns:
        The inputs of the method.

    Raises:
        BadInput: There are fewer than two products, a product has no studio image, all samples are studio images, or
            there are fewer than five photos and no synthetic ones.
    """
    products, network, encoder = _count_products(samples), read_network(parent), Builtin.load(str(parent))
    synthetic = np.array([sample.how == "rephotographed" for sample in samples])
    held_out = select_held_out(samples)
    if not held_out.any() and not synthetic.any():
        photos = sum(sample.how == "photo" for sample in samples)
        raise BadInput(f"{photos} photo(s) are too few for training and validation. Give at least five.")
    work.mkdir(parents=True, exist_ok=True)
    data = fingerprint_samples(samples, torch.get_num_threads())
    run_fingerprint = fingerprint(data, encoder.raw_id, depth, views, seed)
    first = first_block(depth, network)
    source = _make_source(samples, data, depth, first, views, seed, parent, encoder.preprocessing, work, progress)
    validator = RetrievalValidator(source, held_out if held_out.any() else synthetic)
    body = Tail(network, network.names.index(first)) if first else nn.Identity()
    return AdaptationRun(
        samples=samples,
        parent=parent,
        source=source,
        body=body,
        validator=validator,
        held_out=held_out,
        synthetic=synthetic,
        products=products,
        parent_recall=validator.score_features(body),
        data=data,
        fingerprint=run_fingerprint,
    )


def first_block(depth: Depth, network: Network) -> str:
    """Return the name of the first trainable block at `depth`, or "" if only the heads are trained."""
    return {"heads": "", "layer": network.names[-1], "blocks": network.last_stage, "network": network.names[0]}[depth]


def finish_run(
    run: AdaptationRun,
    learner: RoleEncoder,
    heads: Heads,
    body: nn.Module,
    outcome: Outcome | None,
    folder: Path,
    facts: Mapping[str, object],
) -> Adapted:
    """Validate and calibrate the trained encoder, and write its artifact.

    Args:
        run: The run from `prepare_run`.
        learner: The trained encoder.
        heads: Its heads.
        body: Its body. A `Tail` is written as ONNX, any other body means that only the heads were trained.
        outcome: Result of the training loop, None if there were several.
        folder: Folder of the new artifact.
        facts: Entries of the manifest: command, seed, configuration.

    Returns:
        The written encoder and its recall@1.
    """
    after = run.validator.score(learner)
    metadata: dict[str, object] = {
        **facts,
        "data_sha256": run.data,
        "metrics": {
            "judged_on": len(run.validator.photos),
            "recall_at_1_raw": run.parent_recall,
            "recall_at_1_learned": after,
        },
        "calibration": run.validator.calibrate(learner),
    }
    if isinstance(body, Tail):
        written = write_artifact(folder, body.network, heads, metadata, parent=run.parent)
    else:
        written = write_heads(folder, heads, metadata, parent=run.parent)
    return Adapted(folder, written, run.parent_recall, after, tuple(np.flatnonzero(run.held_out).tolist()), outcome)


def _count_products(samples: Sequence[Sample]) -> int:
    """Check the samples and return the number of products. Raise BadInput if training is impossible."""
    studio = {sample.product for sample in samples if sample.how == "studio"}
    if len(studio) < 2:
        raise BadInput(f"There are studio images of {len(studio)} product(s). Training needs at least two products.")
    unknown = {sample.product for sample in samples} - studio
    if unknown:
        raise BadInput(f"{len(unknown)} product(s) of the photos have no catalog image. Add their images first.")
    if all(sample.how == "studio" for sample in samples):
        raise BadInput("All samples are studio images. Add photos, or use studio images as synthetic photos.")
    return max(studio) + 1


def _make_source(
    samples: Sequence[Sample],
    data: str,
    depth: Depth,
    first: str,
    views: int,
    seed: int,
    parent: Path,
    preprocessing: Preprocessing,
    work: Path,
    progress: Progress | None,
) -> FeatureCache | LiveViews:
    if depth == "network":
        return LiveViews(samples, preprocessing, seed)
    threads = torch.get_num_threads()
    front = load_frozen_front(parent / "model.onnx", first, threads)
    file = work / f"maps{first or '-pooled'}.f16"
    config = {"views": views, "seed": seed, "threads": threads}
    return build_feature_cache(samples, front, preprocessing, file, data_hash=data, progress=progress, **config)
