"""Compare two photos: the probability that they show the same product."""

import numpy as np

from snapfind.media.image.decode import Limits, Source, load
from snapfind.search.calibration import calibration_features
from snapfind.search.context import SearchContext

__all__ = ["compare"]


def compare(photo_a: Source, photo_b: Source, context: SearchContext) -> float:
    """Compute the probability that two photos show the same product.

    Args:
        photo_a: First photo.
        photo_b: Second photo. The result is symmetric.
        context: Model and calibration.

    Returns:
        Calibrated probability, 0..1.

    Raises:
        BadPicture: If a photo cannot be decoded.
    """
    encoder, limits = context.model.photo, Limits.of(context.settings)
    images = [load(photo, limits, side=encoder.preprocessing.source_side) for photo in (photo_a, photo_b)]
    features = encoder.extract_features(images)
    queries, pictures = encoder.project(features, "query"), encoder.project(features, "document")
    # The adapter treats the two roles differently. The mean over both assignments makes the score symmetric.
    cosine = float(np.mean([queries[0] @ pictures[1], queries[1] @ pictures[0]]))
    return context.calibration.photo_scores(calibration_features([cosine]))[0]
