"""Bad pictures, lonely pictures and small categories as findings."""

from collections import Counter
from statistics import median

import numpy as np
from numpy.typing import NDArray

from snapfind.catalog.catalog import Catalog
from snapfind.core.errors import BadPicture
from snapfind.curation.detect.corruptions import SPOILT, spoilt
from snapfind.curation.detect.image_faults import faults
from snapfind.curation.detect.outliers import outliers
from snapfind.curation.findings import Change, Finding, Kind, finding
from snapfind.curation.snapshot import Seen, image_of
from snapfind.encoders.base import Vectors

__all__ = ["faults_found", "few_found", "outliers_found"]

_SPOILT = 96  # pictures that are spoiled on purpose, each in every way: 400 looks of the network
_LEAST = 20  # pictures: with fewer there is nothing to stand out from
_SIDE = 256
_SMALL = 100  # pixels of the longest side that no shopper can judge a product by
_SAID: dict[str, tuple[Kind, str]] = {
    "blurred": ("blurred", "is blurred"),
    "tiny": ("tiny", "seems blown up from a tiny file"),
    "text": ("text", "is written over"),
    "collage": ("collage", "is put together from several"),
}


def faults_found(catalogue: Catalog, seen: Seen) -> list[Finding]:
    """Pictures that are blurred, blown up, written over or put together, and those that are small in pixels."""
    found = [_small(seen, row) for row in range(len(seen.points)) if _longest(seen, row) < _SMALL]
    if len(seen.points) < _LEAST:
        return found
    small = {one.shown[0].picture for one in found}
    for one in faults(seen.vectors, _spoilt(catalogue, seen)):
        kind, said = _SAID[one.kind]
        shown = seen.shown(one.row)
        if shown.picture not in small:
            score = 1 - 1 / (1 + one.deviations)
            found.append(
                finding(kind, f"a picture of {seen.title(one.row)} {said}", (shown,), _hide(shown.picture), score=score)
            )
    return found


def _longest(seen: Seen, row: int) -> int:
    payload = seen.points[row].payload
    return max(int(payload.get("_width", 0)), int(payload.get("_height", 0))) or _SMALL


def _small(seen: Seen, row: int) -> Finding:
    shown = seen.shown(row)
    said = f"a picture of {seen.title(row)} has {_longest(seen, row)} pixels on its longest side"
    return finding("tiny", said, (shown,), _hide(shown.picture), score=1.0)


def _hide(picture: str) -> Change:
    return Change("hide", (picture,))


def _spoilt(catalogue: Catalog, seen: Seen) -> dict[str, tuple[Vectors, Vectors]]:
    """Vectors of some pictures before and after each fault."""
    rng = np.random.default_rng(0)
    rows, images = [], []
    for row in rng.permutation(len(seen.points))[:_SPOILT].tolist():
        try:
            images.append(image_of(catalogue, seen.points[row].id, _SIDE))
            rows.append(row)
        except BadPicture:
            continue  # the copy is gone
    encoder = catalogue.model.photo
    before = encoder.images(images, "catalogue")  # not the stored ones: these were made from larger pictures
    return {
        kind: (before, encoder.images([spoilt(image, kind, rng, images) for image in images], "catalogue"))
        for kind in SPOILT
    }


def outliers_found(seen: Seen, groups: NDArray[np.int64]) -> list[Finding]:
    """Pictures that look like nothing else here. `groups` (n,): rows that are one picture, or -1."""
    own = np.where(groups >= 0, groups + len(seen.products), seen.numbers)
    found = []
    for row, deviations in outliers(seen.vectors, own):
        shown = seen.shown(row)
        said = f"a picture of {seen.title(row)} looks like nothing else here"
        found.append(finding("outlier", said, (shown,), _hide(shown.picture), score=1 - 1 / (1 + deviations)))
    return found


def few_found(seen: Seen) -> list[Finding]:
    """Categories with less than a tenth of the products that the middle one has."""
    first = dict(
        zip(reversed([str(seen.products[number]) for number in seen.numbers]), reversed(range(len(seen.numbers))))
    )
    counts = Counter(seen.category(row) for row in first.values())
    counts.pop("", None)
    if len(counts) < 3:
        return []
    middle = median(counts.values())
    return [
        finding(
            "few", f"{name} has {count} of the {middle:g} products that a category has here", score=1 - count / middle
        )
        for name, count in counts.items()
        if count * 10 < middle
    ]
