"""Custom sharding: groups of categories, each with its own shards.

A query whose filter names categories searches only their groups. The group of a category is a hash that is the same on
every machine and in every version. With a few groups instead of one shard per category, a new category needs no new
shard, and a shop with ten thousand categories has no more shards than one with ten.
"""

import hashlib
from collections.abc import Iterable

from snapfind.index.filters import Filter
from snapfind.index.filters.operators import All, Any_, Is

__all__ = ["group_names", "group_of", "groups_of"]


def group_names(count: int) -> list[str]:
    """Return the shard keys.

    Args:
        count: Number of groups.

    Returns:
        One key per group.
    """
    return [f"group-{number}" for number in range(count)]


def group_of(category: object, count: int) -> str:
    """Return the shard key of a category.

    Args:
        category: Category of a product, or None.
        count: Number of groups.

    Returns:
        The key of its group.
    """
    digest = hashlib.sha256(str(category or "").encode()).digest()
    return f"group-{int.from_bytes(digest[:8], 'big') % count}"


def groups_of(where: Filter | None, count: int) -> list[str] | None:
    """Return the shard keys that can have points that match a filter.

    Args:
        where: Filter, or None for all points.
        count: Number of groups.

    Returns:
        The keys, sorted. None if all groups can, or no point matches.
    """
    categories = _categories(where) if where is not None else None
    return sorted({group_of(one, count) for one in categories}) if categories else None


def _categories(where: Filter) -> set[str] | None:
    """Return the categories of which a point must have one, or None if the filter does not restrict them."""
    if isinstance(where, Is) and where.name == "category":
        return {str(value) for value in where.values}
    if isinstance(where, All):
        bound = [one for one in map(_categories, where.parts) if one is not None]
        return set.intersection(*bound) if bound else None
    if isinstance(where, Any_):
        return _union(map(_categories, where.parts))
    return None


def _union(each: Iterable[set[str] | None]) -> set[str] | None:
    categories: set[str] = set()
    for one in each:
        if one is None:
            return None
        categories |= one
    return categories
