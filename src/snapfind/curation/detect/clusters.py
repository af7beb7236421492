"""Groups out of pairs, without chaining: everything in a group was found alike to everything else in it.

Connected components join A with C because both resemble B; one soft pair then glues hundreds of pictures together (a
complaint about every photo library). Here two groups become one only when all pairs across them were found: complete
linkage, strongest pairs first.
"""

from collections.abc import Iterable

__all__ = ["grouped"]


def grouped(pairs: Iterable[tuple[int, int, float]]) -> list[tuple[int, ...]]:
    """(row, row, strength) pairs -> groups of two or more rows, each sorted, the largest first.

    Of equal strengths the smaller rows are joined first, so that the order of the pairs does not matter.
    """
    known = sorted({(min(a, b), max(a, b)): strength for a, b, strength in pairs if a != b}.items())
    joined = {pair for pair, _ in known}
    members: dict[int, list[int]] = {row: [row] for pair in joined for row in pair}
    at = {row: row for row in members}
    for (a, b), _ in sorted(known, key=lambda one: -one[1]):
        mine, its = at[a], at[b]
        if mine != its and all((min(x, y), max(x, y)) in joined for x in members[mine] for y in members[its]):
            members[mine] += members.pop(its)
            for row in members[mine]:
                at[row] = mine
    found = (tuple(sorted(rows)) for rows in members.values() if len(rows) > 1)
    return sorted(found, key=lambda rows: (-len(rows), rows))
