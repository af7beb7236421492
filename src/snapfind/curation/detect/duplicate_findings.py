"""Duplicate findings: which picture to hide, and whether this is safe without review."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from snapfind.curation.detect.duplicates import Grade, Pair, find_duplicates, group_pairs
from snapfind.curation.findings import Change, Finding, make_finding
from snapfind.curation.snapshot import CatalogSnapshot

__all__ = ["duplicate_findings"]

_CONTEXT = 6  # pictures of a group in a make_finding
_TEXTS = {
    "same file": "the same file",
    "same picture": "the same picture in another file",
    "same product": "perhaps the same product",
}


def duplicate_findings(snapshot: CatalogSnapshot) -> tuple[list[Finding], NDArray[np.int64]]:
    """Find duplicates.

    Args:
        snapshot: Pictures of the catalog.

    Returns:
        Findings of three grades, and the group of equal pictures of each row, -1 for none, shape (n,).
    """
    hashes = [str(point.payload.get("_hash", "")) for point in snapshot.points]
    pairs = find_duplicates(hashes, snapshot.thumbs, snapshot.vectors)
    same = np.full(len(snapshot.points), -1, np.int64)
    findings = []
    for number, rows in enumerate(group_pairs(pairs, "same picture")):
        same[list(rows)] = number
        findings += _group(snapshot, rows, _grade(pairs, rows))
    alike: dict[tuple[int, int], Pair] = {}
    for pair in pairs:
        products = int(snapshot.numbers[pair.a]), int(snapshot.numbers[pair.b])
        # Photos of one product may look alike. Two products are reported by their nearest pair.
        if pair.grade == "same product" and products[0] != products[1]:
            alike[products] = max(pair, alike.get(products, pair), key=lambda one: one.strength)
    return [*findings, *(_alike(snapshot, pair) for pair in alike.values())], same


def _grade(pairs: Sequence[Pair], rows: Sequence[int]) -> Grade:
    """Return the weakest grade within a group."""
    inside = {pair.grade for pair in pairs if pair.a in rows and pair.b in rows}
    return "same picture" if "same picture" in inside else "same file"


def _group(snapshot: CatalogSnapshot, rows: Sequence[int], grade: Grade) -> list[Finding]:
    """Build findings for duplicates within a product, and for a picture of several products."""
    findings, products = [], Counter(snapshot.products[snapshot.numbers[row]] for row in rows)
    firsts = []
    for product in products:
        own = sorted(
            (row for row in rows if snapshot.products[snapshot.numbers[row]] == product),
            key=lambda row: _rank(snapshot, row),
        )
        firsts.append(own[0])
        if len(own) > 1:
            samples = tuple(snapshot.sample(row) for row in [*own[1:], own[0]])
            change = Change("hide", tuple(one.picture for one in samples[:-1]))
            text = f"{snapshot.title(own[0])}: {_TEXTS[grade]}, {len(own)} times"
            findings.append(make_finding(grade, text, samples, change, score=1.0, safe=True))
    if len(firsts) > 1:
        firsts.sort(key=lambda row: _rank(snapshot, row))
        samples = tuple(snapshot.sample(row) for row in [*firsts[1:], firsts[0]])
        change = Change("hide", tuple(one.picture for one in samples[:-1]))
        text = f"{_TEXTS[grade]} at {len(firsts)} products: {', '.join(snapshot.title(row) for row in firsts[:4])}"
        text += " …" if len(firsts) > 4 else ""
        findings.append(make_finding(grade, text, samples, change, score=0.9))
    return findings


def _rank(snapshot: CatalogSnapshot, row: int) -> tuple[bool, int, str]:
    """Sort key of the picture to keep: the primary picture, then the larger one, then by id."""
    payload = snapshot.points[row].payload
    return (
        not payload["_primary"],
        -int(payload.get("_width", 0)) * int(payload.get("_height", 0)),
        snapshot.points[row].id,
    )


def _alike(snapshot: CatalogSnapshot, pair: Pair) -> Finding:
    text = f"{_TEXTS['same product']}: {snapshot.title(pair.a)} and {snapshot.title(pair.b)}"
    return make_finding("same product", text, (snapshot.sample(pair.b), snapshot.sample(pair.a)), score=pair.strength)
