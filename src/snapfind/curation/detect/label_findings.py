"""Label findings: products in a wrong category and pictures of a wrong product."""

import numpy as np
from numpy.typing import NDArray

from snapfind.curation.detect.folds import contiguous, together
from snapfind.curation.detect.label_errors import Suspect, wrong_labels
from snapfind.curation.findings import Change, Finding, make_finding
from snapfind.curation.snapshot import CatalogSnapshot

__all__ = ["category_findings", "product_findings"]

_FEW = 5  # products of a category, pictures of a product: fewer give no reliable estimate
_FOLDS = 5
_EXAMPLES = 3


def category_findings(snapshot: CatalogSnapshot, groups: NDArray[np.int64]) -> list[Finding]:
    """Find products whose pictures look like those of another category.

    Args:
        snapshot: Pictures of the catalog.
        groups: Duplicate group of each row, -1 for none, shape (n,).

    Returns:
        One finding for each product.
    """
    firsts = np.unique(snapshot.numbers, return_index=True)[1]
    sums = np.zeros((len(firsts), snapshot.vectors.shape[1]), np.float32)
    np.add.at(sums, snapshot.numbers, snapshot.vectors)
    names = np.array([snapshot.category(row) for row in firsts])
    selected = np.flatnonzero(_common(names) & (names != ""))
    labels, known = _numbered(names[selected])
    findings = []
    for one in _suspects(sums[selected], labels, groups[firsts][selected]):
        row, before, after = int(firsts[selected[one.row]]), known[one.label], known[one.suggested]
        examples = [int(firsts[selected[at]]) for at in np.flatnonzero(labels == one.suggested)[:_EXAMPLES]]
        change = Change("relabel", product=snapshot.sample(row).product, before=before, after=after)
        text = f"{snapshot.title(row)}: in {before}, looks like {after}"
        samples = tuple(snapshot.sample(at) for at in [row, *examples])
        findings.append(make_finding("wrong category", text, samples, change, score=one.margin))
    return findings


def product_findings(snapshot: CatalogSnapshot, groups: NDArray[np.int64]) -> list[Finding]:
    """Find pictures that look like those of another product.

    Args:
        snapshot: Pictures of the catalog.
        groups: Duplicate group of each row, -1 for none, shape (n,).

    Returns:
        One finding for each picture.
    """
    selected = np.flatnonzero(_common(snapshot.numbers))
    labels, _ = _numbered(snapshot.numbers[selected])
    findings = []
    for one in _suspects(snapshot.vectors[selected], labels, groups[selected]):
        row = int(selected[one.row])
        examples = [int(selected[at]) for at in np.flatnonzero(labels == one.suggested)[:_EXAMPLES]]
        text = f"a picture of {snapshot.title(row)} looks like {snapshot.title(examples[0])}"
        samples = tuple(snapshot.sample(at) for at in [row, *examples])
        change = Change("hide", (samples[0].picture,))
        findings.append(make_finding("wrong product", text, samples, change, score=one.margin))
    return findings


def _common(labels: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Select rows whose label has enough rows."""
    _, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return np.asarray(counts[places] >= _FEW)


def _numbered(labels: NDArray[np.generic]) -> tuple[NDArray[np.int64], list[str]]:
    known, numbers = np.unique(labels, return_inverse=True)
    return numbers.astype(np.int64), [str(one) for one in known]


def _suspects(vectors: NDArray[np.float32], labels: NDArray[np.int64], groups: NDArray[np.int64]) -> list[Suspect]:
    """Find label errors. Empty for fewer than two labels."""
    if not len(labels) or labels.max() < 1:
        return []
    return wrong_labels(vectors, labels, together(contiguous(labels, _FOLDS), groups))
