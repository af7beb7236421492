"""Training data of the calibration: features of the first hits of photos whose product is known."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from snapfind.encoders.base import Vectors
from snapfind.encoders.image.base import Features
from snapfind.index.base import Ask
from snapfind.index.filters import Filter
from snapfind.search.calibration import CROWD, calibration_features
from snapfind.search.category_prior import DEPTH, apply_category_prior, fuse, log_chances, vote
from snapfind.search.context import SearchContext

__all__ = ["calibration_data"]

CalibrationData = tuple[NDArray[np.float64], NDArray[np.bool_]]


def calibration_data(
    features: Features,
    products: Sequence[str],
    context: SearchContext,
    filters: Mapping[int, Filter] | None = None,
) -> CalibrationData:
    """Search each photo and collect the calibration features of its first hits.

    Args:
        features: Encoder features of n photos.
        products: Id of the product that each photo shows.
        context: Index, model and prototypes to search with.
        filters: Photo index -> filter of its search. A filter that excludes the product simulates a photo of a product
            that is not in the catalog.

    Returns:
        Features of shape (m, 4), and labels of shape (m,) that are true for hits of the right product.
    """
    vectors = context.model.photo.project(features, "query")
    rows, labels = [], []
    for place, product in enumerate(products):
        values, hits = _hits(vectors[place], features.posterior[place], context, (filters or {}).get(place))
        rows.append(values)
        labels += [hit == product for hit in hits]
    return (np.concatenate(rows) if rows else np.zeros((0, 4))), np.array(labels, bool)


def _hits(
    vector: Vectors, posterior: Vectors, context: SearchContext, filter: Filter | None
) -> tuple[NDArray[np.float64], list[str]]:
    """Return the calibration features and the product ids of the first hits of one photo."""
    nearest = context.index.search(Ask(context.model.photo.space.id, vector, filter=filter, limit=DEPTH + 1))
    prediction = context.prototypes.predict(posterior)
    guesses = fuse(vote(nearest), prediction) if prediction else ()
    ranking = apply_category_prior(nearest, guesses) if guesses else nearest
    chances = log_chances(ranking, guesses) if guesses else ()
    values = calibration_features([point.score for point in ranking], chances)[:CROWD]
    return values, [str(point.payload["_product"]) for point in ranking[:CROWD]]
