"""Encode the photos of a query: embeddings, the searched box and the other region proposals.

Regions are proposed only for a query with one photo. The photos of a query with several are encoded as given.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL.Image import Image

from snapfind.core.query import Query, QueryTerm
from snapfind.core.types import Box, Region
from snapfind.encoders.base import Vectors
from snapfind.encoders.image.base import FeatureMap
from snapfind.index.base import IndexQuery
from snapfind.index.filters import Filter
from snapfind.media.image.background import on_white
from snapfind.media.image.decode import Limits, Source, load
from snapfind.search.context import SearchContext
from snapfind.search.region_proposals import energy, fills, find
from snapfind.search.scoring import is_region_better

__all__ = [
    "EncodedImage",
    "crop_photo",
    "encode_images",
    "photos",
    "regions_of",
    "select_region",
    "subject",
]

_LARGE = 0.3  # area of the image; products in studio pictures cover .4
_MARGIN = 0.1  # around a box, as a fraction of its sides


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """Input of one search.

    Attributes:
        vectors: Unit rows for the photos of the query in their order, shape (n, dim).
        posterior: Class probabilities of the searched part, shape (1000,). None for several photos, and for an encoder
            without a classifier.
        box: Searched box, or None for the whole image.
        regions: Region proposals. The searched one is first.
        searched: The searched part of each photo.
    """

    vectors: Vectors
    posterior: Vectors | None = None
    box: Box | None = None
    regions: tuple[Region, ...] = ()
    searched: tuple[Image, ...] = ()


def photos(query: Query, context: SearchContext) -> list[Image]:
    """Decode the photos of a query.

    Args:
        query: The query.
        context: Model and limits.

    Returns:
        Upright images, cropped to the boxes of the query.

    Raises:
        BadPicture: If a photo cannot be decoded.
    """
    limits, side = Limits.of(context.settings), context.model.photo.preprocessing.source_side
    min_side = 2 * side if _needs_regions(query) else side  # a crop needs more pixels than the whole image
    return [crop_photo(term, limits, min_side) for term in query.terms if term.photo is not None]


def _known(posterior: Vectors) -> Vectors | None:
    """Return None for an encoder without a classifier."""
    return posterior if posterior.size else None


def encode_images(query: Query, images: Sequence[Image], context: SearchContext) -> list[EncodedImage]:
    """Propose regions and encode the photos of a query.

    Args:
        query: The query.
        images: Its decoded photos.
        context: Model that encodes them.

    Returns:
        One item for each search. There are several for regions "all". For regions "auto" there are at most two: the
        whole photo and its main object. `select_region` chooses between them.
    """
    encoder = context.model.photo
    boxes = [term.box for term in query.terms if term.photo is not None and term.box is not None]
    if not _needs_regions(query):
        if not images:
            return [EncodedImage(np.empty((0, encoder.space.dim), np.float32))]
        features = encoder.extract_features(images)
        box = boxes[0] if len(images) == 1 and boxes else None
        posterior = _known(features.posterior[0]) if len(images) == 1 else None
        vectors = encoder.project(features, "query")
        return [EncodedImage(vectors, posterior, box, (Region(box, 1.0),) if box else (), tuple(images))]
    image = images[0]
    feature_map = encoder.extract_feature_map(image)
    regions = find(image, feature_map.cells)
    first = subject(image, feature_map, regions)
    selected = regions if query.regions == "all" else (first,) if first else ()
    vectors = encoder.project(feature_map.features, "query")
    whole = EncodedImage(vectors, _known(feature_map.features.posterior[0]), None, regions, (image,))
    if not selected:
        return [whole]
    encoded = _encode_crops(image, regions, selected, context)
    return [whole, *encoded] if query.regions == "auto" else encoded


def _encode_crops(
    image: Image, regions: Sequence[Region], selected: Sequence[Region], context: SearchContext
) -> list[EncodedImage]:
    """Encode the crop of each selected region."""
    encoder = context.model.photo
    crops = [image.crop(region.box.widened(_MARGIN).pixels(*image.size)) for region in selected]
    features = encoder.extract_features(crops)
    vectors = encoder.project(features, "query")
    return [
        EncodedImage(
            vectors[at : at + 1],
            _known(features.posterior[at]),
            region.box,
            (region, *(other for other in regions if other is not region)),
            (crops[at],),
        )
        for at, region in enumerate(selected)
    ]


def select_region(images: Sequence[EncodedImage], context: SearchContext, filter: Filter | None) -> list[EncodedImage]:
    """Choose between the whole photo and its main object by their nearest products.

    The crop loses the surroundings of a garment and parts of wrongly proposed objects. It is searched only if its
    nearest product is clearly more similar and stands out more than that of the whole photo.

    Args:
        images: Encoded images of a query with regions "auto": the whole photo, and its main object if there is one.
        context: Index and model.
        filter: Restricts the products, or None.

    Returns:
        The one that is searched. Empty if there is none.
    """
    space = context.model.photo.space.id
    if len(images) < 2 or space not in context.index.spaces():
        return list(images[:1])
    requests = [IndexQuery(space, image.vectors[0], filter=filter, limit=2) for image in images]
    whole, region = ([point.score for point in context.index.search(request)] for request in requests)
    return [images[1] if is_region_better(whole, region) else images[0]]


def subject(image: Image, feature_map: FeatureMap, regions: Sequence[Region]) -> Region | None:
    """Select the region that is worth a second pass of the network.

    Args:
        image: The photo.
        feature_map: Its feature map.
        regions: Its region proposals, best first.

    Returns:
        The first region. None if the whole image shows the product well: the region is large, runs out of the frame,
        or stands on a white background.
    """
    if not regions or regions[0].box.area > _LARGE or on_white(image) or fills(energy(feature_map.cells, image.size)):
        return None
    return regions[0]


def regions_of(photo: Source, context: SearchContext) -> tuple[Region, ...]:
    """Propose the regions of one photo.

    Args:
        photo: Photo to decode.
        context: Model and limits.

    Returns:
        Candidate objects, best first.

    Raises:
        BadPicture: If the photo cannot be decoded.
    """
    encoder = context.model.photo
    image = load(photo, Limits.of(context.settings), side=2 * encoder.preprocessing.source_side)
    return find(image, encoder.extract_feature_map(image).cells)


def _needs_regions(query: Query) -> bool:
    """Tell whether the query has exactly one photo, with a positive weight and without a box."""
    with_photo = [term for term in query.terms if term.photo is not None]
    return query.regions != "whole" and len(with_photo) == 1 and with_photo[0].box is None and with_photo[0].weight > 0


def crop_photo(term: QueryTerm, limits: Limits, side: int) -> Image:
    """Decode the photo of a query term, cropped to its box.

    Args:
        term: Query term with a photo.
        limits: Maximum sizes.
        side: Longest side in pixels that is needed.

    Returns:
        Upright RGB image.

    Raises:
        BadPicture: If the photo cannot be decoded.
    """
    if term.box is None:
        return load(term.photo, limits, side=side)
    image = load(term.photo, limits)  # no draft decoding: a small box of a large photo needs its pixels
    return image.crop(term.box.pixels(*image.size))
