"""Detection of duplicates while adding: the same file, the same picture in another file, or a similar picture.

The same file has the same SHA-256. A picture that was re-encoded, resized or slightly cropped has a near vector *and* a
near fingerprint. A similar picture has a near vector only. The first two are reported and added nevertheless, because
only the shop knows whether two products share a picture. Thresholds: benchmarks/duplicates.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from PIL.Image import Image

from snapfind.catalog.storage.folder import Folder
from snapfind.core.errors import BadPicture
from snapfind.index.base import Index, IndexMatch, IndexQuery, Point
from snapfind.index.filters import where
from snapfind.index.filters.operators import Exists, Not
from snapfind.media.image.decode import Limits, load
from snapfind.media.image.fingerprint import (
    cells_of,
    color_difference,
    difference,
    largest_difference,
    palette_difference,
    standardize,
)

__all__ = ["Duplicate", "Grade", "find_duplicates", "grade"]

Grade = Literal["same file", "same picture", "similar"]
_SIMILAR = 0.7  # cosine in the space of the bundled encoder
_SAME = ((0.7, 0.07), (0.95, 0.25))  # minimum cosine and maximum difference: re-encoded or resized; cropped
_SAME_COLORS = (
    26.0,
    10.0,
)  # maximum differences of colors, by cell and overall, in levels
_SAME_CELL = 0.7  # maximum difference of a cell if the mean difference is small
_COMPARED = 2  # nearest pictures that are compared with each new one
_SIDE = 64  # pixels from which a fingerprint is computed: a JPEG decodes to this size four times faster


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A picture that another product or name has too.

    Attributes:
        id: Product id of the new picture.
        picture: Name of the new picture.
        of_id: Product id of the other picture.
        of_picture: Name of the other picture.
        grade: How similar they are.
    """

    id: str
    picture: str
    of_id: str
    of_picture: str
    grade: Grade


def grade(cosine: float, apart: float, most: float = 0.0, colors: tuple[float, float] = (0.0, 0.0)) -> Grade | None:
    """Grade the similarity of two different files.

    Args:
        cosine: Cosine of their vectors.
        apart: Mean difference of their fingerprints.
        most: Largest difference of a cell. It is large if only a print or a label differs.
        colors: Differences of colors in levels, by cell and overall. They are large for a variant in another color.

    Returns:
        The grade, or None if they are not similar.
    """
    cut = apart > _SAME[0][1]  # a crop, whose cells are not aligned
    if colors[cut] > _SAME_COLORS[cut]:
        return "similar" if cosine >= _SIMILAR else None
    if apart <= _SAME[0][1] and most > _SAME_CELL:
        return "similar" if cosine >= _SIMILAR else None
    if any(cosine >= least and apart <= most for least, most in _SAME):
        return "same picture"
    return "similar" if cosine >= _SIMILAR else None


def find_duplicates(
    index: Index, folder: Folder, space: str, added: Sequence[Point], images: Mapping[str, Image], limits: Limits
) -> list[Duplicate]:
    """Find the added points whose picture is stored already, or twice among them.

    Args:
        index: The index, which has the added points.
        folder: Folder of the catalog, with the stored copies.
        space: Id of the space that is compared.
        added: The added points.
        images: Images of the added points by id.
        limits: Limits for decoding stored copies.

    Returns:
        At most one duplicate for each point.
    """
    hashes: dict[str, list[Point]] = {}
    digests = sorted({str(point.payload["_hash"]) for point in added})
    first_items = where("_hash", digests) & Not(Exists("_item"))  # the others of a file have the same hash
    for other in index.scroll(first_items, limit=8 * len(digests)).points if digests else ():
        hashes.setdefault(str(other.payload["_hash"]), []).append(other)
    duplicates = []
    for place, point in enumerate(added):
        if "_item" in point.payload:  # the first item of a file speaks for the others
            continue
        later = {one.id for one in added[place + 1 :]}  # of two in one batch, the second is the duplicate
        twins = [
            one for one in hashes.get(str(point.payload["_hash"]), ()) if one.id != point.id and one.id not in later
        ]
        if twins:
            duplicates.append(_duplicate(point, twins[0], "same file"))
        elif space in point.vectors:
            near = index.search(IndexQuery(space, point.vectors[space], limit=_COMPARED, group=None))
            others = [
                one for one in near if not _same_file(one, point) and one.id not in later and one.score >= _SIMILAR
            ]
            duplicates += _same_pictures(point, others, folder, images, limits)
    return duplicates


def _same_file(one: Point | IndexMatch, other: Point) -> bool:
    return all(one.payload[name] == other.payload[name] for name in ("_product", "_picture"))


def _same_pictures(
    point: Point, near: Sequence[IndexMatch], folder: Folder, images: Mapping[str, Image], limits: Limits
) -> list[Duplicate]:
    cells = cells_of(images[point.id])
    own = standardize(cells)
    if not own.any():
        return []  # a blank picture has no duplicates
    for other in near:
        try:
            image = images[other.id] if other.id in images else load(folder.copy_of(other.id), limits, side=_SIDE)
        except BadPicture:
            continue  # the stored copy is missing
        others = cells_of(image)
        fingerprint = standardize(others)
        colors = color_difference(cells, others), palette_difference(cells, others)
        if (
            grade(other.score, difference(own, fingerprint), largest_difference(own, fingerprint), colors)
            == "same picture"
        ):
            return [_duplicate(point, other, "same picture")]
    return []


def _duplicate(point: Point, other: Point | IndexMatch, grade: Grade) -> Duplicate:
    payload, other_payload = point.payload, other.payload
    return Duplicate(
        str(payload["_product"]),
        str(payload["_picture"]),
        str(other_payload["_product"]),
        str(other_payload["_picture"]),
        grade,
    )
