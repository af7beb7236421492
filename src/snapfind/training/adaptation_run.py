"""Adaptation runs: the steps that all methods which adapt the encoder share.

Before training, the samples are checked, views are encoded by the frozen layers, and one photo in ten is held out for
validation. After training, the scores are calibrated on the held-out photos, and the artifact is written.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from snapfind.core.errors import BadInput
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.training.checkpoint import fingerprint
from snapfind.training.data.augmentation import Sample
from snapfind.training.data.feature_cache import (
    FeatureCache,
    LiveViews,
    build_feature_cache,
    fingerprint_samples,
)
from snapfind.training.export import SHIPPED
from snapfind.training.loop import Outcome
from snapfind.training.models.backbone import Backbone, Depth, first_stage, open_backbone
from snapfind.training.models.heads import Heads
from snapfind.training.validation import RetrievalValidator, RoleEncoder, select_held_out

__all__ = ["AdaptationRun", "Adapted", "Depth", "finish_run", "prepare_run"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class AdaptationRun:
    """Inputs of a method.

    Attributes:
        samples: The n samples.
        backbone: The network that is adapted.
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
    backbone: Backbone
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
    held_out: tuple[int, ...]
    outcome: Outcome | None


def prepare_run(
    samples: Sequence[Sample],
    work: Path,
    *,
    depth: Depth,
    views: int,
    seed: int,
    parent: str | Path = SHIPPED,
    progress: Progress | None = None,
) -> AdaptationRun:
    """Check the samples and encode their views with the layers that are frozen at `depth`.

    Args:
        samples: Photos, studio images and studio images used as synthetic photos.
        work: Folder of the feature cache.
        depth: Which layers are trained.
        views: Views per sample.
        seed: Random seed.
        parent: The network to adapt, as for `open_backbone`.
        progress: Called with (samples done, samples in all).

    Returns:
        The inputs of the method.

    Raises:
        BadInput: There are fewer than two products, a product has no studio image, all samples are studio images, or
            there are fewer than five photos and no synthetic ones. Also as `open_backbone`.
    """
    products, backbone = _count_products(samples), open_backbone(parent)
    synthetic = np.array([sample.how == "synthetic" for sample in samples])
    held_out = select_held_out(samples)
    if not held_out.any() and not synthetic.any():
        photos = sum(sample.how == "photo" for sample in samples)
        raise BadInput(f"{photos} photo(s) are too few for training and validation. Give at least five.")
    work.mkdir(parents=True, exist_ok=True)
    data = fingerprint_samples(samples, torch.get_num_threads())
    run_fingerprint = fingerprint(data, backbone.raw_id, depth, views, seed)
    first = first_stage(depth, backbone)
    body = nn.Identity() if first is None else backbone.body(first)
    source = _make_source(samples, data, first, views, seed, backbone, work, progress)
    validator = RetrievalValidator(source, held_out if held_out.any() else synthetic)
    return AdaptationRun(
        samples=samples,
        backbone=backbone,
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
        body: Its body. `nn.Identity` means that only the heads were trained.
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
            "validation_photos": len(run.validator.photos),
            "recall_at_1_raw": run.parent_recall,
            "recall_at_1_learned": after,
        },
        "calibration": run.validator.calibrate(learner),
    }
    trained = None if isinstance(body, nn.Identity) else body
    written = run.backbone.save(folder, trained, heads, metadata)
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
    first: int | None,
    views: int,
    seed: int,
    backbone: Backbone,
    work: Path,
    progress: Progress | None,
) -> FeatureCache | LiveViews:
    if first == 0:
        return LiveViews(samples, backbone.preprocessing, seed)
    threads = torch.get_num_threads()
    front = backbone.front(first, threads)
    file = work / f"maps{'-pooled' if first is None else backbone.stages()[first]}.f16"
    return build_feature_cache(
        samples,
        front,
        backbone.preprocessing,
        file,
        views=views,
        seed=seed,
        threads=threads,
        data_hash=data,
        progress=progress,
    )
