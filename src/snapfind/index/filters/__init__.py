"""The filter language, the same for search, delete and export: `price < 50 and color in ("red", "blue")`."""

from collections.abc import Mapping

from snapfind.core.types import Kind
from snapfind.index.filters.operators import Filter, where

__all__ = ["Filter", "parse", "where"]


def parse(text: str, schema: Mapping[str, Kind], max_length: int = 4096) -> Filter:
    """Parse a filter expression.

    Args:
        text: The expression, such as `price < 50 and color = "red"`.
        schema: Kinds of the shop's own attributes.
        max_length: Maximum length in characters.

    Returns:
        The filter.

    Raises:
        BadFilter: The expression does not parse, names an unknown field, or has a value of another kind.
    """
    from snapfind.index.filters import parsing  # imports lark

    return parsing.parse(text, schema, max_length)
