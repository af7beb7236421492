"""Which part of a cluster keeps a product: groups of categories, each with shards of its own (custom sharding).

A query that names its categories asks their groups only. A category belongs to a group by a hash that is the same on
every machine and in every version; with a few groups instead of a shard for each category, a new category needs no new
shard, and a shop of ten thousand categories has no more shards than one of ten.
"""

import hashlib
from collections.abc import Iterable

from snapfind.index.filters import Filter
from snapfind.index.filters.operators import All, Any_, Is

__all__ = ["group_of", "groups_of", "names"]


def names(count: int) -> list[str]:
    """The shard keys of so many groups."""
    return [f"group-{number}" for number in range(count)]


def group_of(category: object, count: int) -> str:
    """The shard key of a category; products without one have a group too."""
    digest = hashlib.sha256(str(category or "").encode()).digest()
    return f"group-{int.from_bytes(digest[:8], 'big') % count}"


def groups_of(where: Filter | None, count: int) -> list[str] | None:
    """The shard keys that can hold a point that fits the filter; None where any can, or where no point fits at all."""
    categories = _categories(where) if where is not None else None
    return sorted({group_of(one, count) for one in categories}) if categories else None


def _categories(where: Filter) -> set[str] | None:
    """The categories that a point must have one of; None where the filter does not bind them."""
    if isinstance(where, Is) and where.name == "category":
        return {str(value) for value in where.values}
    if isinstance(where, All):
        bound = [one for one in map(_categories, where.parts) if one is not None]
        return set.intersection(*bound) if bound else None
    if isinstance(where, Any_):
        return _union(map(_categories, where.parts))
    return None


def _union(each: Iterable[set[str] | None]) -> set[str] | None:
    found: set[str] = set()
    for one in each:
        if one is None:
            return None
        found |= one
    return found
