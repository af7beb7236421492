"""One score for two photos: would a search with the one, over a shop that sells the other, call it a match?"""

import numpy as np

from snapfind.media.image.decode import Limits, Source, load
from snapfind.search.context import SearchContext

__all__ = ["compare"]


def compare(photo_a: Source, photo_b: Source, context: SearchContext) -> float:
    """Probability 0..1 that two photos show the same product; symmetric. Raises BadPicture."""
    encoder, limits = context.model.photo, Limits.of(context.settings)
    images = [load(photo, limits, side=encoder.preprocessing.source_side) for photo in (photo_a, photo_b)]
    features = encoder.extract_features(images)
    queries, pictures = encoder.project(features, "query"), encoder.project(features, "catalogue")
    # each is once the photo and once the catalogue's picture: the roles differ, the order of the two must not
    cosine = float(np.mean([queries[0] @ pictures[1], queries[1] @ pictures[0]]))
    return context.calibration.photo_scores([cosine])[0]
