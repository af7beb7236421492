"""The same picture twice, told when it comes in: same file, same picture in another file, or similar.

The same file has the same sha256; the same picture re-encoded, made smaller or cut a little has a near vector *and* a
near fingerprint; similar ones have a near vector only. Adding reports the first two and stores the pictures all the
same: it is the shop that knows whether two products share a picture. Thresholds: benchmarks/duplicates.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from PIL.Image import Image

from snapfind.catalog.storage.folder import Folder
from snapfind.core.errors import BadPicture
from snapfind.index.base import Ask, Found, Index, Point
from snapfind.index.filters import where
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
_SIMILAR = 0.7  # cosine of the space as shipped
_SAME = ((0.7, 0.07), (0.95, 0.25))  # least cosine and most difference: re-encoded or made smaller; cut a little
_SAME_COLORS = (26.0, 10.0)  # most levels between colors, cell by cell and as a whole: a variant's color has more
_SAME_CELL = 0.7  # most difference of a cell where the mean is that small
_LOOKED_AT = 2  # nearest pictures that are compared with each new one
_SIDE = 64  # pixels that a fingerprint of 16 by 16 is taken from: a JPEG decodes to them four times faster


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A picture of a product that another one shows too."""

    id: str
    picture: str
    of_id: str
    of_picture: str
    grade: Grade


def grade(cosine: float, apart: float, most: float = 0.0, colors: tuple[float, float] = (0.0, 0.0)) -> Grade | None:
    """What two different files are to each other.

    Args:
        cosine: Of their vectors.
        apart: Mean difference of their fingerprints.
        most: Largest difference of a cell: large where all but a print or a label is the same.
        colors: Differences of colors in levels, cell by cell and as a whole: large for a variant in another color.
    """
    cut = apart > _SAME[0][1]  # then cells do not lie above each other
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
    """Those of the points just added whose picture was there before, or comes twice among them; the nearest one each.

    `images` holds the pictures of the added points by id; older pictures are read from the catalog's copies.
    """
    hashes: dict[str, list[Point]] = {}
    wanted = sorted({str(point.payload["_hash"]) for point in added})
    for other in index.scroll(where("_hash", list(wanted)), limit=8 * len(wanted)).points if wanted else ():
        hashes.setdefault(str(other.payload["_hash"]), []).append(other)
    found = []
    for place, point in enumerate(added):
        if "_item" in point.payload:  # the first item of a file speaks for the others
            continue
        later = {one.id for one in added[place + 1 :]}  # of a pair in one batch the second is the duplicate
        twins = [
            one
            for one in hashes.get(str(point.payload["_hash"]), ())
            if one.id != point.id and one.id not in later and "_item" not in one.payload
        ]
        if twins:
            found.append(_told(point, twins[0], "same file"))
        elif space in point.vectors:
            near = index.search(Ask(space, point.vectors[space], limit=_LOOKED_AT, group=None))
            others = [
                one for one in near if not _same_file(one, point) and one.id not in later and one.score >= _SIMILAR
            ]
            found += _alike(point, others, folder, images, limits)
    return found


def _same_file(one: Point | Found, other: Point) -> bool:
    return all(one.payload[name] == other.payload[name] for name in ("_product", "_picture"))


def _alike(
    point: Point, near: Sequence[Found], folder: Folder, images: Mapping[str, Image], limits: Limits
) -> list[Duplicate]:
    cells = cells_of(images[point.id])
    own = standardize(cells)
    if not own.any():
        return []  # a blank picture is a copy of nothing
    for other in near:
        try:
            image = images[other.id] if other.id in images else load(folder.copy_of(other.id), limits, side=_SIDE)
        except BadPicture:
            continue  # the copy is gone: nothing can be said
        others = cells_of(image)
        its = standardize(others)
        colors = color_difference(cells, others), palette_difference(cells, others)
        if grade(other.score, difference(own, its), largest_difference(own, its), colors) == "same picture":
            return [_told(point, other, "same picture")]
    return []


def _told(point: Point, other: Point | Found, grade: Grade) -> Duplicate:
    mine, its = point.payload, other.payload
    return Duplicate(str(mine["_product"]), str(mine["_picture"]), str(its["_product"]), str(its["_picture"]), grade)
