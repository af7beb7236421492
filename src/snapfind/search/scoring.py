"""Scoring of a photo ranking: evidence, category prior, then calibration.

Serving and the fit of the calibration share it. The choice between the whole photo and its main object compares the
same similarities and margins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from snapfind.core.types import CategoryGuess
from snapfind.index.base import IndexMatch
from snapfind.search.calibration import calibration_features, margins
from snapfind.search.category_prior import apply_category_prior, fuse, log_chances, vote

__all__ = ["PhotoRanking", "is_region_better", "rank_nearest"]

# Chosen on half of the queries of benchmarks/shops.py. benchmarks/results/shops.md reports the other half.
_REGION_GAIN = 0.05

NO_EVIDENCE: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class PhotoRanking:
    """A photo ranking after the category prior.

    Attributes:
        points: n points, best first.
        categories: Predicted categories of the photo, best first.
        features: Calibration features of the points, shape (n, 4).
    """

    points: list[IndexMatch]
    categories: tuple[CategoryGuess, ...]
    features: NDArray[np.float64]


def rank_nearest(
    nearest: Sequence[IndexMatch], prediction: Mapping[str, float], evidence: Mapping[str, float] = NO_EVIDENCE
) -> PhotoRanking:
    """Add evidence to the similarities of the products nearest to a photo, then apply the category prior.

    Args:
        nearest: Points of a photo search, best first.
        prediction: Category -> probability of the prototype model. If empty, it does not change the order.
        evidence: Product id -> amount that is added to its cosine, such as the weighted similarity of the text read in
            the photo (search/read_text.py). Margins and calibration features are those of the sums.

    Returns:
        The ranking with the features from which `Calibration` computes probabilities.
    """
    nearest = _with_evidence(nearest, evidence) if evidence else nearest
    categories = fuse(vote(nearest), prediction)
    points = apply_category_prior(nearest, categories) if prediction else list(nearest)
    chances = log_chances(points, categories) if prediction else ()
    return PhotoRanking(points, categories, calibration_features([point.score for point in points], chances))


def _with_evidence(nearest: Sequence[IndexMatch], evidence: Mapping[str, float]) -> list[IndexMatch]:
    """Add the evidence to the scores, and sort. Equal scores keep their order."""
    moved = [replace(point, score=point.score + evidence.get(str(point.payload["_product"]), 0.0)) for point in nearest]
    return sorted(moved, key=lambda point: -point.score)


def is_region_better(whole: Sequence[float], region: Sequence[float]) -> bool:
    """Tell whether a region of a photo is matched more clearly than the whole photo.

    Args:
        whole: Similarities of the products nearest to the whole photo, best first. Two are enough.
        region: Similarities of the products nearest to the region, best first. Two are enough.

    Returns:
        Whether the best product of the region is more similar by at least .05, and has a larger margin to the second.
    """
    if not whole or not region:
        return False
    return region[0] >= whole[0] + _REGION_GAIN and margins(region)[0] > margins(whole)[0]
