"""Convert cells of any source (JSON, Parquet, NumPy, pandas) to plain Python values, and plain values to text."""

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

__all__ = ["EXACT", "is_placeholder", "plain", "text_of"]

EXACT = 2**53  # whole numbers above it are not exact as a float
_PLACEHOLDERS = frozenset(
    {"-", "--", "–", "—", "?", "n/a", "#n/a", "n.a.", "na", "nan", "nat", "nil", "none", "null", "<na>", "tbd", "tba"}
)
_MISSING = {"NAType", "NaTType"}  # pandas.NA and pandas.NaT, which cannot be compared


def is_placeholder(text: str) -> bool:
    """Tell whether a text stands for a missing value, such as `n/a`.

    Args:
        text: Text of a cell.

    Returns:
        True for a placeholder.
    """
    return text.strip().lower() in _PLACEHOLDERS


def plain(value: Any) -> Any:
    """Convert a cell to None, bool, int, float, str, bytes, date, datetime, or a list or dict of these.

    NaN and infinity become None. NumPy and pandas scalars become Python values. A Decimal becomes an int or a float, or
    a text where these would lose digits. Text loses null characters and surrounding space.

    Args:
        value: A cell of any type.

    Returns:
        The plain value, None for an empty cell.
    """
    if value is None or type(value).__name__ in _MISSING:
        return None
    if isinstance(value, str):
        return str(value).replace("\0", "").strip()
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, int):
        return int(value)
    return _convert(value)


def _convert(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, datetime):
        return value.to_pydatetime() if hasattr(value, "to_pydatetime") else value
    if isinstance(value, date):
        return value
    if isinstance(value, Mapping):
        return {str(name): plain(own) for name, own in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(own) for own in value]
    if isinstance(value, Decimal):
        return _of_decimal(value)
    if isinstance(value, (time, timedelta)):
        return str(value)
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # NumPy, recognized without importing it
        if str(value.dtype) == "datetime64[ns]":  # of pandas, which would become an integer
            value = value.astype("datetime64[us]")
        return plain(value.tolist())
    return str(value).strip()


def _of_decimal(value: Decimal) -> int | float | str | None:
    if not value.is_finite():
        return None
    if value == value.to_integral_value():
        return int(value)
    return float(value) if len(value.as_tuple().digits) <= 17 else str(value)


def text_of(value: Any) -> str:
    """Write a cell as text: whole floats without `.0`, lists with commas, nested objects as JSON.

    Args:
        value: A cell of any type.

    Returns:
        The text, empty for an empty cell and for bytes.
    """
    value = plain(value)
    if value is None or isinstance(value, bytes):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list) and not any(isinstance(own, (list, dict)) for own in value):
        return ", ".join(text for own in value if (text := text_of(own)))
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=_json_of)
    return str(value)


def _json_of(value: Any) -> str | None:
    return value.isoformat() if isinstance(value, date) else None
