"""Core: value types, the query, errors, settings, and files that are replaced as a whole."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

if TYPE_CHECKING:
    from snapfind.core.config import SETTINGS, Setting, Settings
    from snapfind.core.errors import SnapfindError
    from snapfind.core.query import Query, QueryOptions, QueryTerm
    from snapfind.core.types import Answer, Box, CategoryGuess, Group, Hit, Picture, Product, Region

__all__ = [
    "SETTINGS",
    "Answer",
    "Box",
    "CategoryGuess",
    "Group",
    "Hit",
    "Picture",
    "Product",
    "Query",
    "QueryOptions",
    "QueryTerm",
    "Region",
    "Setting",
    "Settings",
    "SnapfindError",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "config": ["SETTINGS", "Setting", "Settings"],
        "errors": ["SnapfindError"],
        "query": ["QueryTerm", "Query", "QueryOptions"],
        "types": ["Answer", "Box", "CategoryGuess", "Group", "Hit", "Picture", "Product", "Region"],
    },
)
