"""The filter language, the same for search, delete and export: `price < 50 and color in ("red", "blue")`."""

from snapfind.index.filters.operators import Filter, where
from snapfind.index.filters.parsing import parse

__all__ = ["Filter", "parse", "where"]
