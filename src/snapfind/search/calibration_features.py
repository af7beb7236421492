"""What calibration learns from: the signs of the hits of photos whose product is known."""

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

__all__ = ["evidence"]

Evidence = tuple[NDArray[np.float64], NDArray[np.bool_]]


def evidence(
    features: Features, products: Sequence[str], context: SearchContext, filters: Mapping[int, Filter] | None = None
) -> Evidence:
    """Looks at n photos and the product that each shows -> (m, 4) signs of their first hits, (m,) whether right.

    `filters` takes products out of the catalogue for some photos, by place: so the signs of a photo of something that
    the shop does not sell are learnt too.
    """
    vectors = context.model.photo.project(features, "query")
    rows, right = [], []
    for place, product in enumerate(products):
        values, found = _hits(vectors[place], features.posterior[place], context, (filters or {}).get(place))
        rows.append(values)
        right += [one == product for one in found]
    return (np.concatenate(rows) if rows else np.zeros((0, 4))), np.array(right, bool)


def _hits(
    vector: Vectors, posterior: Vectors, context: SearchContext, filter: Filter | None
) -> tuple[NDArray[np.float64], list[str]]:
    ask = Ask(context.model.photo.space.id, vector, filter=filter, limit=DEPTH + 1)
    found = context.index.search(ask)
    seen = context.prototypes.guess(posterior)
    guesses = fuse(vote(found), seen) if seen else ()
    adjusted = apply_category_prior(found, guesses) if guesses else found
    chances = log_chances(adjusted, guesses) if guesses else ()
    values = calibration_features([one.score for one in adjusted], chances)[:CROWD]
    return values, [str(one.payload["_product"]) for one in adjusted[:CROWD]]
