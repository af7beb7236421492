"""Duplicates as findings: which picture to hide, and whether that may be done unseen."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from snapfind.curation.detect.duplicates import Grade, Pair, duplicates
from snapfind.curation.detect.duplicates import groups as grouped
from snapfind.curation.findings import Change, Finding, finding
from snapfind.curation.snapshot import Seen

__all__ = ["copies_found"]

_CONTEXT = 6  # pictures shown of a group
_SAID = {
    "same file": "the same file",
    "same picture": "the same picture in another file",
    "same product": "perhaps the same product",
}


def copies_found(seen: Seen) -> tuple[list[Finding], NDArray[np.int64]]:
    """Findings of three grades, and the group (n,) of each row under the same picture; -1 for none."""
    hashes = [str(point.payload.get("_hash", "")) for point in seen.points]
    pairs = duplicates(hashes, seen.thumbs, seen.vectors)
    same = np.full(len(seen.points), -1, np.int64)
    found = []
    for number, rows in enumerate(grouped(pairs, "same picture")):
        same[list(rows)] = number
        found += _group(seen, rows, _grade(pairs, rows))
    alike: dict[tuple[int, int], Pair] = {}
    for pair in pairs:
        products = int(seen.numbers[pair.a]), int(seen.numbers[pair.b])
        told = same[pair.a] >= 0 and same[pair.a] == same[pair.b]
        # photos of one product may well look alike; of two products the nearest pair speaks
        if pair.grade == "same product" and products[0] != products[1] and not told:
            alike[products] = max(pair, alike.get(products, pair), key=lambda one: one.strength)
    return [*found, *(_alike(seen, pair) for pair in alike.values())], same


def _grade(pairs: Sequence[Pair], rows: Sequence[int]) -> Grade:
    """The weakest grade inside a group."""
    inside = {pair.grade for pair in pairs if pair.a in rows and pair.b in rows}
    return "same picture" if "same picture" in inside else "same file"


def _group(seen: Seen, rows: Sequence[int], grade: Grade) -> list[Finding]:
    """One finding for what is twice within a product, one for what stands at several products."""
    found, products = [], Counter(seen.products[seen.numbers[row]] for row in rows)
    firsts = []
    for product in products:
        own = sorted(
            (row for row in rows if seen.products[seen.numbers[row]] == product), key=lambda row: _rank(seen, row)
        )
        firsts.append(own[0])
        if len(own) > 1:
            shown = tuple(seen.shown(row) for row in [*own[1:], own[0]])
            change = Change("hide", tuple(one.picture for one in shown[:-1]))
            said = f"{seen.title(own[0])}: {_SAID[grade]}, {len(own)} times"
            found.append(finding(grade, said, shown, change, score=1.0, safe=True))
    if len(firsts) > 1:
        firsts.sort(key=lambda row: _rank(seen, row))
        shown = tuple(seen.shown(row) for row in [*firsts[1:], firsts[0]])
        change = Change("hide", tuple(one.picture for one in shown[:-1]))
        said = f"{_SAID[grade]} at {len(firsts)} products: {', '.join(seen.title(row) for row in firsts[:4])}"
        said += " …" if len(firsts) > 4 else ""
        found.append(finding(grade, said, shown, change, score=0.9))
    return found


def _rank(seen: Seen, row: int) -> tuple[bool, int, str]:
    """What stays comes first: the main picture, else the larger one, else by name."""
    payload = seen.points[row].payload
    return not payload["_primary"], -int(payload.get("_width", 0)) * int(payload.get("_height", 0)), seen.points[row].id


def _alike(seen: Seen, pair: Pair) -> Finding:
    said = f"{_SAID['same product']}: {seen.title(pair.a)} and {seen.title(pair.b)}"
    return finding("same product", said, (seen.shown(pair.b), seen.shown(pair.a)), score=pair.strength)
