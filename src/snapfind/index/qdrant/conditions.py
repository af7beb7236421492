"""The conditions of filters as `qdrant-client` writes them: its classes under the names and arguments of the engine."""

from typing import Any

from snapfind.index.filters.operators import json_path
from snapfind.index.point_encoding import IS, keyword

__all__ = ["Conditions"]


class Conditions:
    """What `Filter.condition` builds from; `models` are those of the client."""

    def __init__(self, models: Any) -> None:
        self._models = models
        self.Filter = models.Filter
        self.RangeDateTime, self.RangeFloat = models.DatetimeRange, models.Range

    def FieldCondition(self, path: str, *, match: Any = None, range: Any = None) -> Any:  # noqa: N802
        """A condition on one field."""
        return self._models.FieldCondition(key=path, match=match, range=range)

    def MatchAny(self, values: list[str]) -> Any:  # noqa: N802
        """One of these."""
        return self._models.MatchAny(any=values)

    def IsEmptyCondition(self, path: str) -> Any:  # noqa: N802
        """No value at all."""
        return self._models.IsEmptyCondition(is_empty=self._models.PayloadField(key=path))

    def boolean(self, name: str, value: bool) -> Any:
        """The field is that boolean."""
        return self.FieldCondition(json_path(IS + name), match=self.MatchAny([keyword(value)]))
