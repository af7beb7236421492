"""The filter language, the same for search, delete and export: `price < 50 and color in ("red", "blue")`."""

from collections.abc import Mapping

from snapfind.core.types import Kind
from snapfind.index.filters.operators import Filter, where

__all__ = ["Filter", "parse", "where"]


def parse(text: str, schema: Mapping[str, Kind], max_length: int = 4096) -> Filter:
    """Parse a filter; see `snapfind.index.filters.parsing.parse`, which is imported with the first filter.

    Raises:
        BadFilter: With the position of what does not parse or does not fit the schema.
    """
    from snapfind.index.filters import parsing  # with it comes lark

    return parsing.parse(text, schema, max_length)
