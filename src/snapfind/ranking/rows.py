"""Training rows of a click model: products that were shown, with clicks, domain and group."""

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
    """n rows of one domain.

    Attributes:
        encoded: The encoded fields.
        labels: (n,) float32 clicks, 0 or 1.
        groups: (n,) int64 group of each row, such as its search.
        domain: `TARGET` or `SOURCE`.
    """

    encoded: Encoded
    labels: NDArray[np.float32]
    groups: NDArray[np.int64]
    domain: int = TARGET

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[np.int64] | slice) -> "Rows":
        """Return some of the rows."""
        return replace(self, encoded=self.encoded.take(rows), labels=self.labels[rows], groups=self.groups[rows])


def rows_of(columns: Columns, fields: Sequence[Field], domain: int = TARGET) -> Rows:
    """Encode columns as rows.

    Args:
        columns: Columns of the fields, with `clicked` (the label) and `group` (any hashable value).
        fields: The fields.
        domain: Domain of the rows.

    Returns:
        The rows.
    """
    labels = np.asarray(columns["clicked"], np.float32)
    groups: dict[Any, int] = {}
    group = np.array([groups.setdefault(item, len(groups)) for item in columns["group"]], np.int64)
    return Rows(encode(columns, fields, len(labels)), labels, group, domain)


def tensors(rows: Rows) -> tuple[Tensor, ...]:
    """Convert rows to tensors.

    Args:
        rows: The rows.

    Returns:
        ids, numbers, lists, labels, and (n,) domains.
    """
    encoded = rows.encoded
    arrays = (encoded.ids, encoded.numbers, encoded.lists, rows.labels)
    return *(torch.from_numpy(np.ascontiguousarray(item)) for item in arrays), torch.full((len(rows),), rows.domain)


def mixed_batches(
    parts: Sequence[Rows], counts: Sequence[int], *, steps: int, seed: int
) -> Callable[[int, int], tuple[Tensor, ...]]:
    """Make a function that returns batches with rows of each part.

    Each part is visited in random order again and again. Batches depend only on the seed, the epoch and the step.

    Args:
        parts: The parts.
        counts: Rows of each part per batch.
        steps: Batches per epoch.
        seed: Random seed.

    Returns:
        A function (epoch, step) -> tensors.
    """

    def batch(epoch: int, step: int) -> tuple[Tensor, ...]:
        chosen = [
            tensors(domain_index.take(_next(len(domain_index), count, epoch * steps + step, (seed, place))))
            for place, (domain_index, count) in enumerate(zip(parts, counts))
        ]
        return tuple(torch.cat(same) for same in zip(*chosen))

    return batch


def _next(length: int, count: int, draw: int, seed: tuple[int, int]) -> NDArray[np.int64]:
    """Return positions draw * count … of an endless sequence of permutations."""
    first = draw * count
    rounds = range(first // length, (first + count - 1) // length + 1)
    orders = [_order(length, *seed, item) for item in rounds]
    return np.concatenate(orders)[first - rounds.start * length :][:count]


@lru_cache(maxsize=4)
def _order(length: int, seed: int, domain_index: int, draw: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, domain_index, draw]).permutation(length)
