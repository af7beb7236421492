"""Complete-linkage clustering of pairs: all members of a group are similar to each other.

Connected components would join A and C because both are similar to B, so one weak pair could join hundreds of pictures.
Here two groups are merged only if all pairs across them exist, strongest pairs first.
"""

from collections.abc import Iterable

__all__ = ["grouped"]


def grouped(pairs: Iterable[tuple[int, int, float]]) -> list[tuple[int, ...]]:
    """Cluster pairs. The result does not depend on their order.

    Args:
        pairs: Tuples of row, row and strength. For equal strengths, smaller rows are merged first.

    Returns:
        Sorted groups of two or more rows, largest group first.
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
    groups = (tuple(sorted(rows)) for rows in members.values() if len(rows) > 1)
    return sorted(groups, key=lambda rows: (-len(rows), rows))
