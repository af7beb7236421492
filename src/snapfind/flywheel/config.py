"""Configuration of a flywheel run: label limits, training method, thresholds of the quality gates."""

from dataclasses import dataclass
from typing import Literal

from snapfind.core.errors import BadInput

__all__ = ["Depth", "FlywheelConfig"]

Depth = Literal["fit", "heads", "blocks", "network"]
_FRACTIONS = ("max_loss", "max_slice_loss", "min_gain", "alpha", "min_exploration", "min_coverage", "share")
_COUNTS = ("min_photos", "max_per_session", "max_per_product", "holdout_every", "min_slice_photos")


@dataclass(frozen=True, slots=True)
class FlywheelConfig:
    """Options of a flywheel run. Every run stores its configuration in its record.

    Args:
        min_photos: Minimum number of labeled photos, at least 2.
        max_per_session: Maximum number of labels from one session. The newest are used.
        max_per_product: Maximum number of labels of one product. The newest are used.
        holdout_every: One in this number of sessions is held out for evaluation.
        depth: What to train: "fit" is the closed-form adapter of `snapfind model fit`, the other values are those of
            `snapfind train catalog` and need PyTorch.
        minutes: Approximate training time in minutes, 0 for no limit. "fit" ignores it.
        seed: Random seed.
        max_loss: Maximum loss of precision@1 on a test set, 0..1, used if `min_gain` is 0.
        max_slice_loss: Maximum loss of precision@1 in a slice of a test set, 0..1.
        min_slice_photos: Slices with fewer photos are not checked.
        min_gain: Minimum gain of precision@1 on a test set, 0..1. Above 0 the gain must also be significant.
        alpha: Significance level of the gain, 0..1.
        min_exploration: Minimum fraction of impressions with a propensity below 1, 0..1.
        min_coverage: Minimum fraction of products that were shown to shoppers, 0..1.
        share: Fraction of photo searches that take part in the interleaving experiment, 0..1. With 0 the new model
            goes live without an experiment.

    Raises:
        BadInput: A value is out of range.
    """

    min_photos: int = 50
    max_per_session: int = 20
    max_per_product: int = 200
    holdout_every: int = 5
    depth: Depth = "fit"
    minutes: float = 0.0
    seed: int = 0
    max_loss: float = 0.0
    max_slice_loss: float = 0.1
    min_slice_photos: int = 10
    min_gain: float = 0.0
    alpha: float = 0.05
    min_exploration: float = 0.0
    min_coverage: float = 0.0
    share: float = 0.1

    def __post_init__(self) -> None:
        for name in _FRACTIONS:
            if not 0 <= getattr(self, name) <= 1:
                raise BadInput(f"{name} is {getattr(self, name)}; give a number from 0 to 1", field=name)
        for name in _COUNTS:
            if getattr(self, name) < 2:
                raise BadInput(f"{name} is {getattr(self, name)}; give 2 or more", field=name)
