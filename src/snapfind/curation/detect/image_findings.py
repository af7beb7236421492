"""Image findings: quality defects, outliers and small categories."""

from collections import Counter
from statistics import median

import numpy as np
from numpy.typing import NDArray

from snapfind.catalog.catalog import Catalog
from snapfind.core.errors import BadPicture
from snapfind.curation.detect.corruptions import CORRUPTIONS, corrupt
from snapfind.curation.detect.image_faults import faults
from snapfind.curation.detect.outliers import find_outliers
from snapfind.curation.findings import Change, Finding, Kind, make_finding
from snapfind.curation.snapshot import CatalogSnapshot, image_of
from snapfind.encoders.base import Vectors

__all__ = ["image_quality_findings", "outlier_findings", "small_category_findings"]

_CORRUPTED = 96  # pictures that are corrupted, each in every way: 400 passes of the network
_LEAST = 20  # pictures: fewer give no reliable statistics
_SIDE = 256
_SMALL = 100  # pixels of the longest side: too few to recognize a product
_TEXTS: dict[str, tuple[Kind, str]] = {
    "blurred": ("blurred", "is blurred"),
    "tiny": ("tiny", "seems enlarged from a tiny file"),
    "text": ("text", "is covered with text"),
    "collage": ("collage", "consists of several pictures"),
}


def image_quality_findings(catalog: Catalog, snapshot: CatalogSnapshot) -> list[Finding]:
    """Find pictures that are blurred, upscaled, covered with text, collages, or small in pixels.

    Args:
        catalog: Catalog of the pictures.
        snapshot: Its pictures.

    Returns:
        One finding for each picture. Only small pictures are found among fewer than 20.
    """
    findings = [_small(snapshot, row) for row in range(len(snapshot.points)) if _longest(snapshot, row) < _SMALL]
    if len(snapshot.points) < _LEAST:
        return findings
    small = {one.samples[0].picture for one in findings}
    for one in faults(snapshot.vectors, _corruption_pairs(catalog, snapshot)):
        kind, fault = _TEXTS[one.kind]
        sample = snapshot.sample(one.row)
        if sample.picture not in small:
            text = f"a picture of {snapshot.title(one.row)} {fault}"
            score = 1 - 1 / (1 + one.deviations)
            findings.append(make_finding(kind, text, (sample,), _hide(sample.picture), score=score))
    return findings


def _longest(snapshot: CatalogSnapshot, row: int) -> int:
    payload = snapshot.points[row].payload
    return max(int(payload.get("_width", 0)), int(payload.get("_height", 0))) or _SMALL


def _small(snapshot: CatalogSnapshot, row: int) -> Finding:
    sample = snapshot.sample(row)
    text = f"a picture of {snapshot.title(row)} has {_longest(snapshot, row)} pixels on its longest side"
    return make_finding("tiny", text, (sample,), _hide(sample.picture), score=1.0)


def _hide(picture: str) -> Change:
    return Change("hide", (picture,))


def _corruption_pairs(catalog: Catalog, snapshot: CatalogSnapshot) -> dict[str, tuple[Vectors, Vectors]]:
    """Embed a sample of pictures before and after each corruption."""
    rng = np.random.default_rng(0)
    rows, images = [], []
    for row in rng.permutation(len(snapshot.points))[:_CORRUPTED].tolist():
        try:
            images.append(image_of(catalog, snapshot.points[row].id, _SIDE))
            rows.append(row)
        except BadPicture:
            continue  # the copy is gone
    encoder = catalog.model.photo
    before = encoder.images(images, "document")  # the stored embeddings were computed from larger pictures
    return {
        kind: (before, encoder.images([corrupt(image, kind, rng, images) for image in images], "document"))
        for kind in CORRUPTIONS
    }


def outlier_findings(snapshot: CatalogSnapshot, groups: NDArray[np.int64]) -> list[Finding]:
    """Find pictures that are far from all others.

    Args:
        snapshot: Pictures of the catalog.
        groups: Duplicate group of each row, -1 for none, shape (n,).

    Returns:
        One finding for each outlier.
    """
    own = np.where(groups >= 0, groups + len(snapshot.products), snapshot.numbers)
    findings = []
    for row, deviations in find_outliers(snapshot.vectors, own):
        sample = snapshot.sample(row)
        text = f"a picture of {snapshot.title(row)} looks like nothing else here"
        findings.append(make_finding("outlier", text, (sample,), _hide(sample.picture), score=1 - 1 / (1 + deviations)))
    return findings


def small_category_findings(snapshot: CatalogSnapshot) -> list[Finding]:
    """Find categories with less than a tenth of the median number of products.

    Args:
        snapshot: Pictures of the catalog.

    Returns:
        One finding for each small category. Empty for fewer than three categories.
    """
    names = [str(snapshot.products[number]) for number in snapshot.numbers]
    first = dict(zip(reversed(names), reversed(range(len(names)))))
    counts = Counter(snapshot.category(row) for row in first.values())
    counts.pop("", None)
    if len(counts) < 3:
        return []
    middle = median(counts.values())
    return [
        make_finding(
            "few", f"{name} has {count} of the {middle:g} products that a category has here", score=1 - count / middle
        )
        for name, count in counts.items()
        if count * 10 < middle
    ]
