"""Validation during training: recall@1 of held-out photos against the studio images of their products."""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Vectors
from snapfind.search.calibration import Calibration, calibration_features
from snapfind.search.calibration import fit as fit_calibration
from snapfind.training.data.augmentation import Sample
from snapfind.training.data.feature_cache import FeatureCache, LiveViews

__all__ = ["RetrievalValidator", "RoleEncoder", "encode_view", "select_held_out"]

_HELD_OUT = 10  # every tenth photo of a product is held out
_RANKED = 10  # best matches of each photo that are used for calibration


@runtime_checkable
class RoleEncoder(Protocol):
    """An encoder with two roles, for photos and for catalog images: the result of every method."""

    def vectors(self, inputs: Tensor, *, query: bool, batch: int = 64) -> Tensor:
        """Encode inputs in one role.

        Args:
            inputs: (n, …) inputs of the body.
            query: Use the role of photos, else that of catalog images.
            batch: Rows per forward pass.

        Returns:
            (n, dim) float32 unit rows.
        """
        ...


def select_held_out(samples: Sequence[Sample]) -> NDArray[np.bool_]:
    """Select photos for validation.

    Every tenth photo of each product is selected, starting with the fifth. If no product has five photos, the same rule
    applies to the photos of all products together.

    Returns:
        (n,) bool mask of the held-out photos.
    """
    photos = [index for index, sample in enumerate(samples) if sample.how == "photo"]
    counts: Counter[int] = Counter()
    mask = np.zeros(len(samples), bool)
    for index in photos:
        product = samples[index].product
        counts[product] += 1
        mask[index] = counts[product] % _HELD_OUT == _HELD_OUT // 2
    if not mask.any():
        mask[photos[_HELD_OUT // 2 - 1 :: _HELD_OUT]] = True
    return mask


class RetrievalValidator:
    """Measures retrieval of the studio images with held-out photos.

    Args:
        source: Views of all samples.
        held_out: (n,) bool mask of the queries. Without photos, these are the samples with synthetic photos: view 0 of
            them is never used for training.
    """

    def __init__(self, source: FeatureCache | LiveViews, held_out: NDArray[np.bool_]) -> None:
        self.source = source
        self.photos, self.studio = np.flatnonzero(held_out), np.flatnonzero(~source.queries)

    def score_features(self, body: nn.Module) -> float:
        """Return recall@1 of the features of `body` without heads."""
        return self.recall_at_1(*(encode_view(body, self.source, rows, 0) for rows in (self.photos, self.studio)))

    def score(self, module: nn.Module | RoleEncoder) -> float:
        """Return recall@1: the fraction 0..1 of the photos whose nearest studio image shows their product."""
        return self.recall_at_1(*self._vectors(module))

    def recall_at_1(self, photos: Vectors, images: Vectors) -> float:
        """Return recall@1 of (n, d) unit rows of the photos against (m, d) unit rows of the studio images."""
        nearest = self.studio[(photos @ images.T).argmax(axis=1)]
        return round(float((self.source.products[nearest] == self.source.products[self.photos]).mean()), 4)

    def calibrate(self, module: nn.Module | RoleEncoder) -> tuple[float, ...]:
        """Fit the weights that map cosines of the trained space to probabilities (search/calibration.py)."""
        photos, images = self._vectors(module)
        cosines = (photos @ images.T).astype(np.float64)
        order = np.argsort(-cosines, axis=1)[:, :_RANKED]
        relevant = self.source.products[self.studio][order] == self.source.products[self.photos][:, None]
        ranked = np.take_along_axis(cosines, order, axis=1)
        features = np.concatenate([calibration_features(row.tolist()) for row in ranked])
        return fit_calibration(features, relevant.ravel(), Calibration.fitted()).photo

    def _vectors(self, module: nn.Module | RoleEncoder) -> tuple[Vectors, Vectors]:
        assert isinstance(module, RoleEncoder)
        vectors = []
        for rows, query in ((self.photos, True), (self.studio, False)):
            chunks = [rows[start : start + 64] for start in range(0, len(rows), 64)]
            inputs = (self.source.batch(chunk, np.zeros_like(chunk)) for chunk in chunks)
            vectors.append(np.concatenate([module.vectors(batch, query=query).cpu().numpy() for batch in inputs]))
        return vectors[0], vectors[1]


@torch.no_grad()
def encode_view(body: nn.Module, source: FeatureCache | LiveViews, rows: NDArray[np.int64], view: int) -> Vectors:
    """Encode one view of some samples with `body` alone.

    Args:
        body: Maps inputs to (n, width) features.
        source: Views of all samples.
        rows: (n,) int64 indices of the samples.
        view: Number of the view.

    Returns:
        (n, width) float32 unit rows.
    """
    chunks = [rows[start : start + 64] for start in range(0, len(rows), 64)]
    device = next((parameter.device for parameter in body.parameters()), torch.device("cpu"))
    inputs = (source.batch(chunk, np.full_like(chunk, view)).to(device) for chunk in chunks)
    return unit(np.concatenate([body(batch).cpu().numpy() for batch in inputs]))
