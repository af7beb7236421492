"""Merging of tokens by a matching (size-weighted mean) and its inverse (a copy of the merged token for each part).

Indices are flattened over the batch. On a CPU that is several times faster than gather and scatter with an index as
wide as the tokens.
"""

import torch
from torch import Tensor

from snapfind.token_merging.matching import Match, sources, targets

__all__ = ["merge", "unmerge"]


def merge(tokens: Tensor, sizes: Tensor, matching: Match) -> tuple[Tensor, Tensor]:
    """Merge tokens.

    A target becomes the mean of itself and its sources, weighted by size. A token that nothing is merged into is
    unchanged.

    Args:
        tokens: (b, n, c) tokens.
        sizes: (b, n) number of patches that each token represents.
        matching: The matching.

    Returns:
        (b, n - r, c) tokens and (b, n - r) sizes.
    """
    to, prefix, even = matching.target, matching.prefix, sources(tokens, matching.prefix)
    parts, wholes = sources(sizes, prefix), targets(sizes, prefix)
    merged_sizes = parts.gather(1, matching.merged)
    new_sizes = wholes.scatter_add(1, to, merged_sizes)
    kept = targets(tokens, prefix) * (wholes / new_sizes)[..., None].to(tokens.dtype)
    contributions = _gather(even, matching.merged) * (merged_sizes / new_sizes.gather(1, to))[..., None].to(
        tokens.dtype
    )
    return (
        torch.cat([tokens[:, :prefix], _gather(even, matching.unmerged), _scatter_add(kept, to, contributions)], 1),
        torch.cat([sizes[:, :prefix], parts.gather(1, matching.unmerged), new_sizes], 1),
    )


def unmerge(tokens: Tensor, matching: Match) -> Tensor:
    """Restore the length: every original token gets a copy of the token it was merged into.

    Args:
        tokens: (b, n - r, …) tokens.
        matching: The matching.

    Returns:
        (b, n, …) tokens at their original positions.
    """
    flat = tokens.reshape(*tokens.shape[:2], -1)
    return _gather(flat, _positions(matching)).reshape(tokens.shape[0], matching.tokens, *tokens.shape[2:])


def _positions(matching: Match) -> Tensor:
    """Return the (b, n) int64 position after merging of each original token."""
    positions = torch.arange(matching.tokens, device=matching.target.device).repeat(len(matching.target), 1)
    prefix, even, odd = matching.prefix, sources(positions, matching.prefix), targets(positions, matching.prefix)
    unmerged_end = prefix + matching.unmerged.shape[1]
    before = (positions[:, :prefix], even.gather(1, matching.unmerged), even.gather(1, matching.merged), odd)
    after = (
        positions[:, :prefix],
        positions[:, prefix:unmerged_end],
        unmerged_end + matching.target,
        unmerged_end + positions[:, : odd.shape[1]],
    )
    return torch.zeros_like(positions).scatter(1, torch.cat(before, 1), torch.cat(after, 1))


def _flat(index: Tensor, rows: int) -> Tensor:
    """Flatten (b, k) positions among the `rows` of each image to (b * k,) positions among all rows."""
    if len(index) > 1:
        index = index + rows * torch.arange(len(index), device=index.device)[:, None]
    return index.reshape(-1)


def _gather(tokens: Tensor, index: Tensor) -> Tensor:
    """Select rows: (b, n, c) tokens and (b, k) positions to (b, k, c)."""
    batch, rows, width = tokens.shape
    return tokens.reshape(-1, width).index_select(0, _flat(index, rows)).reshape(batch, -1, width)


def _scatter_add(tokens: Tensor, index: Tensor, more: Tensor) -> Tensor:
    """Return (b, n, c) tokens with (b, k, c) `more` added at the (b, k) positions `index`."""
    batch, rows, width = tokens.shape
    summed = tokens.reshape(-1, width).index_add(0, _flat(index, rows), more.reshape(-1, width))
    return summed.reshape(batch, rows, width)
