"""What the photos of a query show: the vectors to look for, the box that was searched, the other candidates.

Only a query with one photo is looked at for its regions: with several, each is taken as its caller cut it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL.Image import Image

from snapfind.core.types import Box, Like, Query, Region
from snapfind.encoders.base import Vectors
from snapfind.encoders.image.base import FeatureMap
from snapfind.media.image.background import on_white
from snapfind.media.image.decode import Limits, Source, load
from snapfind.search.context import SearchContext
from snapfind.search.region_proposals import energy, fills, find

__all__ = ["EncodedImage", "encode_images", "photos", "regions_of", "subject"]

_LARGE = 0.3  # part of the picture; studio pictures fill .4 of theirs
_MARGIN = 0.1  # around a box, in its own sides


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """`vectors` (n, dim) unit rows, one for each photo like in their order; `regions` has the searched one first.

    `posterior` (1000,) is what the encoder's classifier says of what was searched, for a single photo;
    `searched` is that part of it.
    """

    vectors: Vectors
    posterior: Vectors | None = None
    box: Box | None = None
    regions: tuple[Region, ...] = ()
    searched: Image | None = None


def photos(query: Query, context: SearchContext) -> list[Image]:
    """The photos of a query, decoded upright and cut to the caller's boxes. Raises BadPicture."""
    limits, side = Limits.of(context.settings), context.model.photo.preprocessing.source_side
    wanted = 2 * side if _searched(query) else side  # a crop needs more pixels than the whole
    return [_cut(like, limits, wanted) for like in query.likes if like.photo is not None]


def _known(posterior: Vectors) -> Vectors | None:
    """None of a learnt encoder, which has forgotten ImageNet's classes."""
    return posterior if posterior.size else None


def encode_images(query: Query, images: Sequence[Image], context: SearchContext) -> list[EncodedImage]:
    """One for each search that the query asks for: several only with regions "all"."""
    boxed = [like.box for like in query.likes if like.photo is not None and like.box is not None]
    if not _searched(query):
        if not images:
            return [EncodedImage(np.empty((0, context.model.photo.space.dim), np.float32))]
        features = context.model.photo.extract_features(images)
        given = boxed[0] if len(images) == 1 and boxed else None
        posterior, searched = (_known(features.posterior[0]), images[0]) if len(images) == 1 else (None, None)
        vectors = context.model.photo.project(features, "query")
        return [EncodedImage(vectors, posterior, given, (Region(given, 1.0),) if given else (), searched)]
    image = images[0]
    feature_map = context.model.photo.extract_feature_map(image)
    regions = find(image, feature_map.cells)
    first = subject(image, feature_map, regions)
    chosen = regions if query.regions == "all" else (first,) if first else ()
    if not chosen:
        vectors = context.model.photo.project(feature_map.features, "query")
        return [EncodedImage(vectors, _known(feature_map.features.posterior[0]), None, regions, image)]
    crops = [image.crop(region.box.widened(_MARGIN).pixels(*image.size)) for region in chosen]
    features = context.model.photo.extract_features(crops)
    vectors = context.model.photo.project(features, "query")
    return [
        EncodedImage(
            vectors[at : at + 1],
            _known(features.posterior[at]),
            region.box,
            (region, *(other for other in regions if other is not region)),
            crops[at],
        )
        for at, region in enumerate(chosen)
    ]


def subject(image: Image, feature_map: FeatureMap, regions: Sequence[Region]) -> Region | None:
    """The first candidate; None where the whole picture shows it well: a second pass costs as much as the first.

    That is where it is large, runs out of the frame, or stands on white as catalogue pictures do.
    """
    if not regions or regions[0].box.area > _LARGE or on_white(image) or fills(energy(feature_map.cells, image.size)):
        return None
    return regions[0]


def regions_of(photo: Source, context: SearchContext) -> tuple[Region, ...]:
    """The candidate objects of one photo, best first. Raises BadPicture."""
    image = load(photo, Limits.of(context.settings), side=2 * context.model.photo.preprocessing.source_side)
    return find(image, context.model.photo.extract_feature_map(image).cells)


def _searched(query: Query) -> bool:
    """Whether the photo is looked at for its regions: one photo, no box of the caller's."""
    seen = [like for like in query.likes if like.photo is not None]
    return query.regions != "whole" and len(seen) == 1 and seen[0].box is None and seen[0].weight > 0


def _cut(like: Like, limits: Limits, side: int) -> Image:
    if like.box is None:
        return load(like.photo, limits, side=side)
    image = load(like.photo, limits)  # a small box of a large photo needs its pixels: no draft
    return image.crop(like.box.pixels(*image.size))
