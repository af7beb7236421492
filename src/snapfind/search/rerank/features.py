"""Input features of the click model, encoded in the same way in training and serving.

A text is hashed to a row of its field's embedding table (Weinberger et al., "Feature Hashing", arXiv 0902.2206), so
new products and brands need no vocabulary. Row 0 is for missing values. A number x becomes sign(x) log(1 + |x|).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from snapfind.core.errors import BadInput

__all__ = ["Columns", "Encoded", "Field", "FieldKind", "bucket", "encode"]

FieldKind = Literal["hashed", "number", "sequence"]
Columns = Mapping[str, Sequence[Any]]  # name -> one value a row


@dataclass(frozen=True, slots=True)
class Field:
    """One input column.

    Attributes:
        name: Name of the column.
        kind: "hashed" for one value, "number", or "sequence" for a list of hashed values.
        buckets: Rows of the embedding table, 2 to 16,777,216. Not used for numbers.
        table: Name of the embedding table. Fields with the same table share it. Defaults to `name`.
        most: Number of last values of a sequence that are read, 1 to 256.

    Raises:
        BadInput: If a value is out of range.
    """

    name: str
    kind: FieldKind
    buckets: int = 0
    table: str = ""
    most: int = 0

    def __post_init__(self) -> None:
        if self.kind not in get_args(FieldKind):
            raise BadInput(f"field {self.name}: kind {self.kind!r} is none of {', '.join(get_args(FieldKind))}")
        if self.kind != "number" and not (1 < self.buckets <= 2**24):
            raise BadInput(f"field {self.name}: {self.buckets} buckets; give 2 to 16,777,216")
        if self.kind == "sequence" and not 0 < self.most <= 256:
            raise BadInput(f"field {self.name}: reads the last {self.most} of a sequence; give 1 to 256")

    @property
    def held_in(self) -> str:
        """Name of the embedding table."""
        return self.table or self.name


@dataclass(frozen=True, slots=True)
class Encoded:
    """n encoded rows, with fields in their order.

    Attributes:
        ids: Hashed fields, shape (n, hashed fields).
        numbers: Number fields with NaN for missing values, shape (n, number fields).
        lists: Sequence fields padded with 0, shape (n, sequence fields, longest).
    """

    ids: NDArray[np.int64]
    numbers: NDArray[np.float32]
    lists: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: NDArray[np.int64] | slice) -> "Encoded":
        """Select rows."""
        return Encoded(self.ids[rows], self.numbers[rows], self.lists[rows])


def encode(columns: Columns, fields: Sequence[Field], count: int) -> Encoded:
    """Encode columns.

    Args:
        columns: Name -> one value for each row. A column that is absent is missing in every row.
        fields: Columns to encode, in the order of the model.
        count: Number of rows.

    Returns:
        Ids, numbers and lists of `count` rows.
    """
    none: Sequence[Any] = [None] * count
    by_kind = {kind: [own for own in fields if own.kind == kind] for kind in get_args(FieldKind)}
    ids = np.zeros((count, len(by_kind["hashed"])), np.int64)
    for place, own in enumerate(by_kind["hashed"]):
        ids[:, place] = _buckets(columns.get(own.name, none), own)
    numbers = np.full((count, len(by_kind["number"])), np.nan, np.float32)
    for place, own in enumerate(by_kind["number"]):
        numbers[:, place] = _numbers(columns.get(own.name, none))
    longest = max((own.most for own in by_kind["sequence"]), default=0)
    lists = np.zeros((count, len(by_kind["sequence"]), longest), np.int64)
    for place, own in enumerate(by_kind["sequence"]):
        known: dict[tuple[Any, ...], list[int]] = {}  # the sequence is usually the same in all rows of a search
        for row, values in enumerate(columns.get(own.name, none)):
            if values is not None and len(values):
                last = tuple(values[-own.most :])
                if last not in known:
                    known[last] = _buckets(last, own)
                lists[row, place, : len(last)] = known[last]
    return Encoded(ids, numbers, lists)


def bucket(value: Any, table: str, buckets: int) -> int:
    """Hash a value to a row of an embedding table.

    Args:
        value: Value to hash.
        table: Name of the table, which salts the hash.
        buckets: Rows of the table.

    Returns:
        Row 1..buckets-1, or 0 for None and the empty string.
    """
    if value is None or value == "":
        return 0
    return crc32(f"{table}\0{value}".encode("utf-8", "replace")) % (buckets - 1) + 1


def _buckets(values: Sequence[Any], field: Field) -> list[int]:
    known = {value: bucket(value, field.held_in, field.buckets) for value in set(values)}
    return [known[value] for value in values]


def _numbers(values: Sequence[Any]) -> NDArray[np.float32]:
    plain = np.array(values, np.float64)  # None becomes NaN
    scaled: NDArray[np.float32] = (np.sign(plain) * np.log1p(np.abs(plain))).astype(np.float32)
    scaled[~np.isfinite(scaled)] = np.nan
    return scaled
