"""Condition classes of `qdrant-client` with the names and arguments of the embedded engine, for filters."""

from typing import Any

from snapfind.index.filters.operators import json_path
from snapfind.index.point_encoding import IS, bool_keyword

__all__ = ["Conditions"]


class Conditions:
    """Classes that `Filter.condition` builds conditions from.

    Args:
        models: `qdrant_client.models`.
    """

    def __init__(self, models: Any) -> None:
        self._models = models
        self.Filter = models.Filter
        self.RangeDateTime, self.RangeFloat = models.DatetimeRange, models.Range

    def FieldCondition(self, path: str, *, match: Any = None, range: Any = None) -> Any:  # noqa: N802
        """Return a condition on one field."""
        return self._models.FieldCondition(key=path, match=match, range=range)

    def MatchAny(self, values: list[str]) -> Any:  # noqa: N802
        """Return a match of any of the values."""
        return self._models.MatchAny(any=values)

    def IsEmptyCondition(self, path: str) -> Any:  # noqa: N802
        """Return the condition that a field has no value."""
        return self._models.IsEmptyCondition(is_empty=self._models.PayloadField(key=path))

    def boolean(self, name: str, value: bool) -> Any:
        """Return the condition that a field has a boolean value."""
        return self.FieldCondition(json_path(IS + name), match=self.MatchAny([bool_keyword(value)]))
