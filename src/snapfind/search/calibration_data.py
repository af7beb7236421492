"""Training data of the calibration: features of the first hits of photos whose product is known."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from snapfind.encoders.base import Vectors
from snapfind.encoders.image.base import Features
from snapfind.index.base import IndexQuery
from snapfind.index.filters import Filter
from snapfind.search.calibration import CROWD
from snapfind.search.category_prior import DEPTH
from snapfind.search.context import SearchContext
from snapfind.search.scoring import rank_nearest

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
    nearest = context.index.search(IndexQuery(context.model.photo.space.id, vector, filter=filter, limit=DEPTH + 1))
    ranking = rank_nearest(nearest, context.prototypes.predict(posterior))
    return ranking.features[:CROWD], [str(point.payload["_product"]) for point in ranking.points[:CROWD]]
