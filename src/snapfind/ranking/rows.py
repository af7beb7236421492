"""Rows that a click model learns from: what was shown, whether it was clicked, in which domain, for whom."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from snapfind.search.rerank.features import Columns, Encoded, Field, encode

__all__ = ["SOURCE", "TARGET", "Rows", "mixed_batches", "rows_of", "tensors"]

TARGET, SOURCE = 0, 1


@dataclass(frozen=True, slots=True)
class Rows:
    """n rows: `encoded`, `labels` (n,) float32 0 or 1, `groups` (n,) int64 whose row it is, of one `domain`."""

    encoded: Encoded
    labels: NDArray[np.float32]
    groups: NDArray[np.int64]
    domain: int = TARGET

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[np.int64] | slice) -> "Rows":
        """Those rows."""
        return replace(self, encoded=self.encoded.take(rows), labels=self.labels[rows], groups=self.groups[rows])


def rows_of(columns: Columns, fields: Sequence[Field], domain: int = TARGET) -> Rows:
    """Rows of columns, among them `clicked` (truth of the label) and `group` (whose row it is; hashed)."""
    labels = np.asarray(columns["clicked"], np.float32)
    groups: dict[Any, int] = {}
    group = np.array([groups.setdefault(one, len(groups)) for one in columns["group"]], np.int64)
    return Rows(encode(columns, fields, len(labels)), labels, group, domain)


def tensors(rows: Rows) -> tuple[Tensor, ...]:
    """ids, numbers, lists, labels, domains (n,) of 0 target and 1 source."""
    held = rows.encoded
    arrays = (held.ids, held.numbers, held.lists, rows.labels)
    return *(torch.from_numpy(np.ascontiguousarray(one)) for one in arrays), torch.full((len(rows),), rows.domain)


def mixed_batches(
    parts: Sequence[Rows], counts: Sequence[int], *, steps: int, seed: int
) -> Callable[[int, int], tuple[Tensor, ...]]:
    """Batches of so many rows of each part, `steps` of them an epoch.

    Each part is gone through in an order of its own, again and again; batch and order follow from seed, epoch, step.
    """

    def batch(epoch: int, step: int) -> tuple[Tensor, ...]:
        chosen = [
            tensors(part.take(_next(len(part), count, epoch * steps + step, (seed, place))))
            for place, (part, count) in enumerate(zip(parts, counts))
        ]
        return tuple(torch.cat(same) for same in zip(*chosen))

    return batch


def _next(length: int, count: int, turn: int, seed: tuple[int, int]) -> NDArray[np.int64]:
    """Places turn * count … of an endless row of permutations."""
    first = turn * count
    rounds = range(first // length, (first + count - 1) // length + 1)
    orders = [_order(length, *seed, one) for one in rounds]
    return np.concatenate(orders)[first - rounds.start * length :][:count]


@lru_cache(maxsize=4)
def _order(length: int, seed: int, part: int, turn: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, part, turn]).permutation(length)
