"""Wrong labels as findings: a product in a category that it does not look like, a picture at another's product."""

import numpy as np
from numpy.typing import NDArray

from snapfind.curation.detect.folds import contiguous, together
from snapfind.curation.detect.label_errors import Suspect, wrong_labels
from snapfind.curation.findings import Change, Finding, finding
from snapfind.curation.snapshot import Seen

__all__ = ["categories_found", "products_found"]

_FEW = 5  # products of a category, pictures of a product: with fewer nobody can vouch for or against
_FOLDS = 5
_EXAMPLES = 3


def categories_found(seen: Seen, groups: NDArray[np.int64]) -> list[Finding]:
    """Products whose pictures look like those of another category. `groups` (n,): rows that are one picture, or -1."""
    firsts = np.unique(seen.numbers, return_index=True)[1]
    sums = np.zeros((len(firsts), seen.vectors.shape[1]), np.float32)
    np.add.at(sums, seen.numbers, seen.vectors)
    names = np.array([seen.category(row) for row in firsts])
    kept = np.flatnonzero(_common(names) & (names != ""))
    labels, known = _numbered(names[kept])
    found = []
    for one in _judged(sums[kept], labels, groups[firsts][kept]):
        row, before, after = int(firsts[kept[one.row]]), known[one.given], known[one.looks_like]
        examples = [int(firsts[kept[at]]) for at in np.flatnonzero(labels == one.looks_like)[:_EXAMPLES]]
        change = Change("relabel", product=seen.shown(row).product, before=before, after=after)
        said = f"{seen.title(row)}: in {before}, looks like {after}"
        shown = tuple(seen.shown(at) for at in [row, *examples])
        found.append(finding("wrong category", said, shown, change, score=one.margin))
    return found


def products_found(seen: Seen, groups: NDArray[np.int64]) -> list[Finding]:
    """Pictures that look like another product's."""
    kept = np.flatnonzero(_common(seen.numbers))
    labels, _ = _numbered(seen.numbers[kept])
    found = []
    for one in _judged(seen.vectors[kept], labels, groups[kept]):
        row = int(kept[one.row])
        examples = [int(kept[at]) for at in np.flatnonzero(labels == one.looks_like)[:_EXAMPLES]]
        said = f"a picture of {seen.title(row)} looks like {seen.title(examples[0])}"
        shown = tuple(seen.shown(at) for at in [row, *examples])
        change = Change("hide", (shown[0].picture,))
        found.append(finding("wrong product", said, shown, change, score=one.margin))
    return found


def _common(labels: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Rows whose label has enough rows."""
    _, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return np.asarray(counts[places] >= _FEW)


def _numbered(labels: NDArray[np.generic]) -> tuple[NDArray[np.int64], list[str]]:
    known, numbers = np.unique(labels, return_inverse=True)
    return numbers.astype(np.int64), [str(one) for one in known]


def _judged(vectors: NDArray[np.float32], labels: NDArray[np.int64], groups: NDArray[np.int64]) -> list[Suspect]:
    """Suspects, where there are two labels or more."""
    if not len(labels) or labels.max() < 1:
        return []
    return wrong_labels(vectors, labels, together(contiguous(labels, _FOLDS), groups))
